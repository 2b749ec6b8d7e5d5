# SPDX-License-Identifier: GPL-2.0-or-later
"""The demonstration: two hosts, two guests, what happens to them, what one does to the other.

Everything in it is real. Each step says what it does, shows the commands that a person would
type with their output, and is timed; what was shown is checked, so that it can't end well by luck.
"""

from __future__ import annotations

import argparse
import sys
import time

from tests.lab import state
from tests.lab.cluster import stonith
from tests.lab.cluster.registration import Registered
from tests.lab.errors import LabError
from tests.lab.guests.fencing_guest import Ask
from tests.lab.guests.guests import Guest
from tests.lab.hosts.install import FLAVOURS
from tests.lab.lab import Lab, Plan

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

    from tests.lab.hosts.machine import Machine


BOOT_S = 90.0
# vm-check's exit code where it has warnings alone.
WARNED = 1


class Narrator:
    """Tells the steps and keeps their times."""

    def __init__(self) -> None:
        self._steps: list[tuple[str, float]] = []
        self._began = time.monotonic()

    def step(self, what: str) -> None:
        self.close()
        print(f"\n== {what}", flush=True)
        self._steps.append((what, 0.0))

    def say(self, text: str) -> None:
        print(f"   {text}", flush=True)

    def command(self, host: Machine, *argv: str, rc: int = 0, timeout_s: float = 300.0) -> str:
        """Run a command in a host, shown as a person would see it; gives what it says."""
        print(f"[{host.name}]# {' '.join(argv)}", flush=True)
        done = host.run(argv, timeout_s=timeout_s)
        for line in (done.out + done.err).splitlines():
            self.say(line)
        if done.rc != rc:
            raise LabError(f"{argv[0]} ended with {done.rc}")
        return done.out

    def close(self) -> None:
        """End the step under way."""
        now = time.monotonic()
        if self._steps:
            self._steps[-1] = (self._steps[-1][0], now - self._began)
        self._began = now

    def summary(self) -> None:
        self.close()
        print("\n== What was shown")
        for what, seconds in self._steps:
            print(f"   {seconds:6.1f} s  {what}")
        print(f"   {sum(seconds for _, seconds in self._steps):6.1f} s  in all")


def check(is_true: bool, what: str) -> None:
    if not is_true:
        raise LabError(f"the demonstration failed: {what}")


def show(root: str, flavour: str) -> None:
    tell = Narrator()
    tell.step("Two hosts form a cluster, with fencing; the packages are installed")
    lab = Lab.up(Plan(root=root, rsc_defaults="linux-ha-japan"))
    try:
        lab.install(flavour=flavour)
        shell = FLAVOURS[flavour].shell
        host1, host2 = lab.hosts
        tell.command(host1, "crm_mon", "-1")
        guests = _register(tell, lab, host1)
        _start(tell, guests, host1)
        tokens = _let_fence(tell, guests, host1, stonith.daemons(shell))
        _fence(tell, guests, tokens, "guest1 fences guest2 on the same host")
        _move(tell, guests[1], host1, host2)
        _fence(tell, guests, tokens, "guest1 fences guest2 on the other host")
        _foretell(tell, host1)
        _lose_a_host(tell, lab, guests, host2)
        _look_around(tell, host1)
        _let_go(tell, guests, host1)
        tell.step("Everything is removed again")
    finally:
        lab.down()
    tell.summary()


def _register(tell: Narrator, lab: Lab, host1: Machine) -> list[Registered]:
    tell.step("vm-ctl registers two guests: primitives and constraints in one change")
    # guest1 has Debian with Python, to ask for a fence; guest2 needs nothing.
    kinds = {"guest1": "full", "guest2": "small"}
    guests = [Registered(lab, Guest(name, kind=kind)) for name, kind in kinds.items()]
    for one in guests:
        lab.guests.define(one.guest)
    tell.command(host1, "vm-ctl", "resource", "add", "guest1,", "guest2", "-a", "host1", "-m", "on")
    tell.command(host1, "vm-ctl", "resource", "list")
    return guests


def _start(tell: Narrator, guests: list[Registered], host1: Machine) -> None:
    tell.step("The guests are started and boot")
    tell.command(host1, "vm-ctl", "resource", "start", "guest1,", "guest2")
    for one in guests:
        tick = one.counter.wait_for_boot(BOOT_S)
        tell.say(f"{one.guest.name} runs on {', '.join(one.hosts())} and counts, boot {tick.boot}")
    tell.command(host1, "vm-ctl", "resource", "list")


def _let_fence(
    tell: Narrator, guests: list[Registered], host1: Machine, text: str
) -> dict[str, str]:
    """The guests' tokens."""
    tell.step("Each host gets vm-connectd, vm-stonithd and the key; the guests get tokens")
    for line in text.strip().splitlines():
        tell.say(line)
    lab = guests[0].lab
    stonith.load_daemons(lab, text)
    tell.command(host1, "crm_mon", "-1")
    stonith.make_key(lab)
    listed = stonith.sealed(lab, *(one.guest.name for one in guests)).splitlines()[1]
    tell.command(host1, "vm-stonith-key", "list")
    return dict(entry.split(":", 1) for entry in listed.split())


def _fence(tell: Narrator, guests: list[Registered], tokens: Mapping[str, str], what: str) -> None:
    tell.step(what)
    one, other = guests
    lab = one.lab
    boot, own_boot, places = other.counter.boot(), one.counter.boot(), other.hosts()
    tell.say(f"guest2 runs on {', '.join(places)}, boot {boot}")
    tell.say("[guest1]# fence_vm_stonith -o reboot -n guest2 --hostlist=guest2:TOKEN")
    ask = Ask("reset", "guest2", other.resource, token=tokens["guest2"])
    answered = ask.begin(lab.guests, one.guest).answered()
    tell.say(f"{answered.text}, after {answered.took_s:.2f} s in the emulated guest")
    check(answered.is_ok, "guest2 is not fenced")
    logs = {host.name: host.read(stonith.LOG).splitlines() for host in lab.hosts}
    digits = next(line.split()[4] for line in reversed(logs["host1"]) if ": OK, " in line)
    for name, lines in logs.items():
        for line in (each for each in lines if digits in each):
            tell.say(f"[{name}] {line}")
    stonith.wait_clean(lab)
    lab.cluster.wait_running(other.resource)
    tick = other.counter.wait_for_boot(other_than=boot)
    tell.say(f"guest2 is back on {', '.join(other.hosts())}, boot {tick.boot}")
    check(not other.counter.is_going_back(), "guest2 has lived twice at once")
    check(one.counter.boot() == own_boot, "guest1 did not stay up")
    check(lab.fencing.events() == [], "a host was fenced")


def _move(tell: Narrator, one: Registered, host1: Machine, host2: Machine) -> None:
    tell.step("guest2 moves live, over ssh, without a break of its counter")
    boots = one.counter.boots()
    with one.counter.watch() as watch:
        tell.command(host1, "vm-ctl", "resource", "move", one.guest.name, "-n", host2.name)
        check(one.counter.is_ticking(), "guest2 stands still")
    check(one.hosts() == [host2.name], "guest2 is not on host2 alone")
    check(one.counter.boots() == boots, "guest2 has booted again")
    tell.say(f"same boot {boots[-1]}; the longest silence was {watch.longest_silence_s:.2f} s")


def _foretell(tell: Narrator, host1: Machine) -> None:
    tell.step("vm-check says beforehand what becomes of host1's guests when it is emptied")
    told = tell.command(host1, "vm-check", "--host", "host1", rc=WARNED)
    check("moves live  host2" in told, "guest1 could not move live")


def _lose_a_host(tell: Narrator, lab: Lab, guests: list[Registered], host2: Machine) -> None:
    tell.step("guest2 moves again, host2 is killed; it is fenced, guest2 comes back on host1")
    one, other = guests[1], guests[0]
    tell.command(lab.host("host1"), "vm-ctl", "resource", "move", one.guest.name, "-n", "host2")
    boot, other_boot = one.counter.boot(), other.counter.boot()
    tell.say("host2 loses its power")
    host2.kill()
    lab.cluster.wait_running(one.resource, "host1", timeout_s=120)
    one.counter.wait_for_boot(other_than=boot)
    check(one.hosts() == ["host1"], "guest2 does not run on host1")
    check(other.counter.boots() == [other_boot], "guest1 did not stay up")
    for event in lab.fencing.events():
        tell.say(f"fencing: {event.action} {event.host}: {event.answer}")
    tell.command(lab.host("host1"), "vm-ctl", "resource", "list")


def _look_around(tell: Narrator, host1: Machine) -> None:
    tell.step("vm-check says what is not well: host2 has not come back")
    told = tell.command(host1, "vm-check", rc=WARNED)
    check("host-down" in told, "nobody misses host2")


def _let_go(tell: Narrator, guests: list[Registered], host1: Machine) -> None:
    tell.step("The guests are stopped and deleted; their definitions stay")
    tell.command(host1, "vm-ctl", "resource", "stop", "guest1,", "guest2")
    check([one.hosts() for one in guests] == [[], []], "a guest still runs")
    tell.command(host1, "vm-ctl", "resource", "delete", "guest1,", "guest2")
    tell.command(host1, "crm_mon", "-1")
    tell.command(host1, "virsh", "list", "--all")


def main() -> int:
    parser = argparse.ArgumentParser(prog="make demo", description=__doc__)
    parser.add_argument("--root", default="/", help="root of the hosts (default: this machine's)")
    parser.add_argument("--flavour", choices=list(FLAVOURS), default="everything")
    options = parser.parse_args()
    try:
        with state.exclusive():
            show(options.root, options.flavour)
    except LabError as error:
        print(f"demo: {error}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
