# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's command line: python3 -m tests.lab up | down | exec | cut | heal | kill | boot ..."""

from __future__ import annotations

import argparse
import os
import sys
import time

from pmkvm.errors import HaError
from tests.lab import state
from tests.lab.cluster.cib import RSC_DEFAULTS
from tests.lab.errors import LabError
from tests.lab.hosts import root
from tests.lab.hosts.install import FLAVOURS
from tests.lab.hosts.machine import Machine
from tests.lab.lab import Lab, Plan

EXCLUSIVE = ("up", "down")


def parser() -> argparse.ArgumentParser:
    top = argparse.ArgumentParser(
        prog="python3 -m tests.lab",
        description="Two real cluster hosts and real guests on this machine, in namespaces.",
        epilog=f"State is in $PMKVM_LAB_DIR, {state.DEFAULT_DIRECTORY} if it is not set.",
    )
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND")
    up = commands.add_parser("up", help="make the lab and wait until its cluster is online")
    up.add_argument("--hosts", type=int, default=2, metavar="N", help="how many (default 2)")
    text = "the hosts' root: a directory, or a suite that `root` built (default: /)"
    up.add_argument("--root", default="/", metavar="DIR", help=text)
    flavours = list(RSC_DEFAULTS)
    up.add_argument("--rsc-defaults", choices=flavours, default=flavours[0])
    up.add_argument("--flavour", choices=list(FLAVOURS), help="install what was built for it")
    commands.add_parser("down", help="remove everything that up made")
    commands.add_parser("status", help="hosts and cluster")
    build = commands.add_parser("root", help="build a root of a Debian suite, for up --root")
    build.add_argument("suite", help="for example trixie")
    inside = commands.add_parser("exec", help="run a command in a host")
    inside.add_argument("host")
    inside.add_argument("argv", nargs=argparse.REMAINDER, metavar="COMMAND")
    for name, text in (
        ("cut", "pull a host's network wire"),
        ("heal", "plug it in again"),
        ("kill", "power a host off"),
        ("boot", "boot a dead host with its services"),
    ):
        commands.add_parser(name, help=text).add_argument("host")
    return top


def main(argv: list[str]) -> int:
    options = parser().parse_args(argv)
    try:
        if options.command in EXCLUSIVE:
            with state.exclusive():
                return _act(options)
        return _act(options)
    except HaError as error:
        print(f"lab: {error}", file=sys.stderr)
        return 1


def _act(options: argparse.Namespace) -> int:
    command = options.command
    if command == "up":
        return _up(options)
    if command == "down":
        state.clear(state.directory())
        return 0
    if command == "root":
        print(root.build(options.suite))
        return 0
    return _act_on_lab(options)


def _act_on_lab(options: argparse.Namespace) -> int:
    command = options.command
    lab = Lab.load()
    if command == "status":
        return _status(lab)
    host = lab.host(options.host)
    if command == "exec":
        argv = options.argv or ["bash"]
        # Replaces this process: the terminal, the signals and the exit code are the command's.
        inside = host.enter(argv)
        os.execvp(inside[0], inside)
    {"boot": lab.boot, "kill": Machine.kill, "cut": Machine.cut, "heal": Machine.heal}[command](
        host
    )
    return 0


def _up(options: argparse.Namespace) -> int:
    if os.geteuid() != 0:
        raise LabError("the lab needs root")
    began = time.monotonic()
    lab = Lab.up(Plan(options.hosts, options.root, options.rsc_defaults))
    if options.flavour:
        lab.install(flavour=options.flavour)
    names = ", ".join(host.name for host in lab.hosts)
    print(f"{names} online after {time.monotonic() - began:.1f} s")
    return 0


def _status(lab: Lab) -> int:
    for host in lab.hosts:
        init = host.init()
        life = "down" if init is None else f"up, PID 1 is {init.pid}"
        print(f"{host.name} {host.address}: {life}{', cut off' if host.is_cut() else ''}")
    print(lab.cluster.speaker().run(["crm_mon", "-1rf"], timeout_s=10).out)
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
