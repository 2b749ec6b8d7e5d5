# SPDX-License-Identifier: GPL-2.0-or-later
"""The world of vm-connectd with vm-managerd and vm-client in it. Real processes and sockets; files
stand in for Pacemaker: a directory for each node, a file in it for each attribute."""

from __future__ import annotations

import json
import sys
from typing import TYPE_CHECKING

from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.service import status_socket
from tests import tree
from tests.unit.vm_connectd.world import World
from tests.unit.waiting import WAIT_S, eventually

if TYPE_CHECKING:
    from pathlib import Path

    from tests.unit.vm_connectd.world import Process

PROGRAM = """\
import os, sys
from xml.sax.saxutils import quoteattr
sys.dont_write_bytecode = True
if "--version" in sys.argv: sys.exit(print("installed now"))
sys.path[:0] = [{root!r}]
from pmkvm import run, settings
settings.RUN_DIR = {run_dir!r}
node = {node!r}
start = run.run
def play(argv, **more):
    if argv[0] not in ("cibadmin", "crm_node", "attrd_updater"):
        return start(argv, **more)
    if os.path.exists(node + "/.away"): return run.Completed(102, "", "")
    if argv[0] == "crm_node": return run.Completed(0, os.path.basename(node) + "\\n", "")
    names = [each for each in os.listdir(node) if not each.startswith(".")]
    values = {{name: open(node + "/" + name).read() for name in names}}
    if argv[0] == "cibadmin":
        quoted = [(quoteattr(name), quoteattr(values[name])) for name in names]
        pairs = "".join(f"<nvpair name={{name}} value={{value}}/>" for name, value in quoted)
        return run.Completed(0, f"<transient_attributes>{{pairs}}</transient_attributes>", "")
    if "--query" in argv:
        value = values.get(argv[-1])
        if value is None: return run.Completed(105, "", "")
        said = f'name="{{argv[-1]}}" host="{{os.path.basename(node)}}" value="{{value}}"'
        return run.Completed(0, said, "")
    name = argv[1].partition("=")[2]
    with open(node + "/.changes", "a") as file: file.write(" ".join(argv[1:]) + "\\n")
    if "--delete" in argv:
        if name in values: os.remove(node + "/" + name)
    else:
        with open(node + "/.new", "w") as file: file.write(argv[2].partition("=")[2])
        os.rename(node + "/.new", node + "/" + name)
    return run.Completed(0, "", "")
run.run = play
{more}
sys.exit(main.main({argv!r}))
"""
OF_HOST = """\
from daemons.vm_managerd import host_node, main
host_node.KEPT_S = 0.05
"""
OF_GUEST = """\
from daemons.vm_client import daemon, main
daemon.ASK_S, daemon.RETRY_S = 2.0, 0.05
"""
RULES = "[ping]\nred = lt 100\n[raw]\n[disk]\nred = eq ERROR\n[operator]\n"
ASKED = "ping raw disk secret"


class NestedWorld(World):
    """Hosts host1, host2 and a guest g1, whose node is g1 too."""

    def __init__(self, directory: Path) -> None:
        super().__init__(directory)
        self.rules = directory / "vm-manager.conf"
        self.rules.write_text(RULES, encoding="utf-8")
        for node in ("host1", "host2", "g1"):
            (directory / node).mkdir()

    def set(self, node: str, name: str, value: str | None) -> None:
        path = self.directory / node / name
        if value is None:
            path.unlink()
            return
        new = self.directory / node / ".set"
        new.write_text(value, encoding="utf-8")
        new.rename(path)

    def attributes(self, node: str) -> dict[str, str]:
        found = {}
        for path in (self.directory / node).iterdir():
            if not path.name.startswith("."):
                try:
                    found[path.name] = path.read_text(encoding="utf-8")
                except FileNotFoundError:
                    # It was just deleted.
                    continue
        return found

    def changes(self, node: str) -> list[str]:
        """Every order to its attribute manager."""
        path = self.directory / node / ".changes"
        return path.read_text(encoding="utf-8").splitlines() if path.exists() else []

    def join(self) -> tuple[Process, Process]:
        """Both vm-connectds and QEMU; the host's one and the guest's."""
        uuid = self.define("g1")
        host = self.start_host()
        self.start_qemu("g1", uuid)
        guest = self.start_guest("g1")
        self.wait_ready(host, guest)
        self.wait_joined("g1")
        return host, guest

    def start_managerd(self, node: str = "host1", *options: str) -> Process:
        argv = ["-c", str(self.rules), "--socket", self._own_socket("managerd"), *options]
        argv += ["--connectd-socket", self.socket_of("host")]
        return self._program("managerd", node, OF_HOST, argv)

    def start_client(self, host_timeout: int = 60) -> Process:
        argv = ["-a", ASKED, "--interval", "1", "--host-timeout", str(host_timeout)]
        argv += ["--socket", self._own_socket("client"), "--connectd-socket", self.socket_of("g1")]
        return self._program("client", "g1", OF_GUEST, argv)

    def wait_told(self, **expected: str) -> None:
        eventually(f"the guest has {expected}", lambda: self.attributes("g1") == expected)

    def said(self, program: str) -> dict[str, object]:
        """What the running one says of itself; empty if none does."""
        path = self._own_socket(program)
        try:
            report = json.loads(status_socket.ask(program, path, Deadline(WAIT_S)))
        except HaError:
            return {}
        assert isinstance(report, dict)
        return report

    def _own_socket(self, program: str) -> str:
        return str(self.directory / "run" / f"{program}.sock")

    def _program(self, program: str, node: str, more: str, argv: list[str]) -> Process:
        code = PROGRAM.format(
            root=str(tree.ROOT),
            run_dir=str(self.directory / "run"),
            node=str(self.directory / node),
            more=more,
            argv=argv,
        )
        process = self._start([sys.executable, "-I", "-c", code], f"{program}.log")
        eventually(f"{program} is ready", lambda: "info: ready" in process.said)
        return process
