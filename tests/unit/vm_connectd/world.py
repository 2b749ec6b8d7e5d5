# SPDX-License-Identifier: GPL-2.0-or-later
"""A host and a guest of processes: both vm-connectds, and a QEMU between them.

The QEMU is a process with its command line that carries bytes between two unix sockets: the
host's, and one in the place of the guest's port. As the real one it serves one host end at a time,
and loses nothing of what the guest writes in between.
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import uuid
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from pmkvm.deadline import Deadline
from pmkvm.wire import client, codec
from pmkvm.wire.client import Connection
from pmkvm.wire.errors import NotRunningError
from pmkvm.wire.message import Answer, Forwarded, Refused, Register, Registered
from tests import tree
from tests.unit.virt.fake_qemu import qemu_arguments
from tests.unit.waiting import WAIT_S, eventually

if TYPE_CHECKING:
    from collections.abc import Iterator

    from pmkvm.wire.session import Event

W = TypeVar("W", bound="World")

QEMU = """\
import os, select, socket, sys
host_path, guest_path, user = {host!r}, {guest!r}, {user}
def listen(path):
    one = socket.socket(socket.AF_UNIX)
    one.bind(path + ".new")
    os.seteuid(user)
    one.listen(1)
    os.seteuid(os.getuid())
    os.rename(path + ".new", path)
    return one
ends = [None, None]
doors = [listen(host_path), listen(guest_path)]
waiting = [b"", b""]
while True:
    watched = [sys.stdin]
    for side in (0, 1):
        watched.append(doors[side] if ends[side] is None else ends[side])
    writers = [ends[s] for s in (0, 1) if ends[s] is not None and waiting[s]]
    readable, writable, _ = select.select(watched, writers, [])
    if sys.stdin in readable and not os.read(0, 1):
        sys.exit(0)
    for side in (0, 1):
        if ends[side] is None:
            if doors[side] in readable:
                ends[side] = doors[side].accept()[0]
                ends[side].setblocking(False)
            continue
        try:
            if ends[side] in readable and len(waiting[1 - side]) < 65536:
                data = ends[side].recv(65536)
                if not data:
                    raise OSError
                waiting[1 - side] += data
            if ends[side] in writable:
                waiting[side] = waiting[side][ends[side].send(waiting[side]):]
        except BlockingIOError:
            pass
        except OSError:
            ends[side].close()
            ends[side] = None
"""

LIBVIRT = """\
import os, time
VIR_CONNECT_LIST_DOMAINS_ACTIVE = 1
VIR_DOMAIN_EVENT_ID_LIFECYCLE, VIR_DOMAIN_EVENT_ID_DEVICE_ADDED = 0, 15
VIR_DOMAIN_EVENT_ID_DEVICE_REMOVED, VIR_ERR_NO_DOMAIN = 16, 42
DIRECTORY = {directory!r}
class libvirtError(Exception):
    def get_error_code(self): return 38
class Domain:
    def __init__(self, path): self.path = path
    def UUIDString(self): return os.path.basename(self.path)[:-4]
    def ID(self): return int(os.stat(self.path).st_mtime_ns)
    def XMLDesc(self, flags): return open(self.path).read()
class Connection:
    def isAlive(self): return not os.path.exists(DIRECTORY + "/away")
    def listAllDomains(self, flags):
        if os.path.exists(DIRECTORY + "/away"): raise libvirtError("libvirtd is away")
        names = sorted(os.listdir(DIRECTORY))
        return [Domain(DIRECTORY + "/" + each) for each in names if each.endswith(".xml")]
    def registerCloseCallback(self, *arguments): pass
    def domainEventRegisterAny(self, *arguments): pass
    def setKeepAlive(self, *arguments): pass
def registerErrorHandler(*arguments): pass
def virEventRegisterDefaultImpl(): pass
def virEventRunDefaultImpl(): time.sleep(3600)
def openReadOnly(uri):
    if os.path.exists(DIRECTORY + "/away"): raise libvirtError("libvirtd is away")
    return Connection()
"""

DAEMON = """\
import sys
sys.dont_write_bytecode = True
if "--version" in sys.argv: sys.exit(print("installed now"))
sys.path[:0] = {paths!r}
from pmkvm import run, settings
settings.RUN_DIR = settings.LIBVIRT_PID_DIR = {run_dir!r}
settings.CIB_XML = {cib!r}
start = run.run
def play(argv, **more):
    if argv[0] == "attrd_updater":
        with open({attrd!r}, "a") as file:
            file.write(argv[-1] + "\\n")
        return run.Completed(0, "", "")
    if argv[0] != "cibadmin":
        return start(argv, **more)
    with open(settings.CIB_XML) as file:
        return run.Completed(0, file.read(), "")
run.run = play
from daemons.vm_connectd import guests, host, main
guests.CIB_POLL_S = host.RESCAN_S = host.AWAY_RESCAN_S = 0.1
{more}
sys.exit(main.main({argv!r}))
"""

DOMAIN = """\
<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid><devices>
<channel type='unix'><source mode='bind' path='{path}'/>
<target type='virtio' name='vmconnectd'/></channel></devices></domain>
"""

PRIMITIVE = """\
<primitive id='{resource}' class='ocf' provider='extra' type='VirtualDomain'>
<instance_attributes id='{resource}-a'><nvpair id='{resource}-c' name='config' value='{config}'/>
</instance_attributes></primitive>
"""


class Process:
    """A child whose stderr goes to a file; ended in the end, and read for a failing test."""

    def __init__(self, argv: list[str], log: Path) -> None:
        self.log = log
        with log.open("ab") as file:
            self.child = subprocess.Popen(
                argv,
                executable=sys.executable,
                # By its own first argument the one that plays QEMU would not find its library.
                env={"PYTHONHOME": sys.base_prefix},
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=file,
            )

    @property
    def said(self) -> str:
        return self.log.read_text(encoding="utf-8")

    def end(self, number: int = signal.SIGTERM) -> int:
        if self.child.poll() is None:
            self.child.send_signal(number)
        self.child.communicate()
        return self.child.returncode


class World:
    """One directory; everything in it."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.sockets = directory / "sockets"
        self._libvirt = directory / "libvirt"
        self._attrd = directory / "attrd"
        self._primitives: dict[str, str] = {}
        self.processes: list[Process] = []
        self._servers: list[Server] = []
        for each in (self.sockets, self._libvirt, directory / "library", directory / "run"):
            each.mkdir()
        module = LIBVIRT.format(directory=str(self._libvirt))
        (directory / "library" / "libvirt.py").write_text(module, encoding="utf-8")
        self._write_cib()

    # --- what there is

    def define(self, name: str, *, path: Path | None = None, uuid_: str = "") -> str:
        """A resource and a running domain; its uuid."""
        domain_uuid = uuid_ or str(uuid.uuid4())
        where = path or self.sockets / name
        definition = DOMAIN.format(name=name, uuid=domain_uuid, path=where)
        config = self.directory / f"{name}.xml"
        config.write_text(definition, encoding="utf-8")
        (self._libvirt / f"{domain_uuid}.xml").write_text(definition, encoding="utf-8")
        self._primitives[name] = PRIMITIVE.format(resource=f"prm-{name}", config=config)
        self._write_cib()
        return domain_uuid

    def remove_resource(self, name: str) -> None:
        del self._primitives[name]
        self._write_cib()

    def lose_libvirt(self) -> None:
        (self._libvirt / "away").touch()

    def _write_cib(self) -> None:
        text = f"<resources>{''.join(self._primitives.values())}</resources>"
        new = self.directory / "cib.new"
        new.write_text(text, encoding="utf-8")
        new.rename(self.directory / "cib.xml")

    # --- what runs

    def start_qemu(
        self, name: str, domain_uuid: str, *, path: Path | None = None, user: int | None = None
    ) -> Process:
        """user: who says that he listens, if it is not the process's own."""
        host_path = path or self.sockets / name
        host_path.unlink(missing_ok=True)
        self.port_of(name).unlink(missing_ok=True)
        code = QEMU.format(
            host=str(host_path),
            guest=str(self.port_of(name)),
            user=os.getuid() if user is None else user,
        )
        argv = ["qemu-system-x86_64", "-c", code, *qemu_arguments(name, domain_uuid)]
        process = self._start(argv, f"qemu-{name}.log")
        self.record(name, process.child.pid)
        eventually("QEMU listens", self.port_of(name).exists)
        return process

    def record(self, name: str, pid: int) -> None:
        """As libvirt does, before QEMU runs."""
        (self.directory / "run" / f"{name}.pid").write_text(f"{pid}", encoding="ascii")

    @property
    def said_to_attrd(self) -> list[str]:
        """All values of the host's attribute, the newest last."""
        return self._attrd.read_text().splitlines() if self._attrd.exists() else []

    def port_of(self, name: str) -> Path:
        return self.directory / f"port-{name}"

    def start_host(self, more: str = "") -> Process:
        """Not ready yet, see wait_ready(); more is code that it runs before."""
        return self._daemon("host", "-t", "host", "-d", str(self.sockets), more=more)

    def start_guest(self, name: str) -> Process:
        """Not ready yet, see wait_ready()."""
        return self._daemon(name, "-t", "guest", "--port", str(self.port_of(name)))

    def start_program(self, argv: list[str]) -> Process:
        """One that says a line when it is ready."""
        process = self._start(argv, "program.log")
        assert process.child.stdout is not None
        assert process.child.stdout.readline()
        return process

    def wait_ready(self, *processes: Process) -> None:
        for each in processes:
            self._wait_ready(each)

    def _wait_ready(self, daemon: Process) -> None:
        eventually("ready", lambda: "info: ready" in daemon.said)

    def socket_of(self, side: str) -> str:
        return str(self.directory / "run" / f"{side}.sock")

    def status(self, side: str) -> dict[str, object]:
        report = json.loads(client.status(Deadline(WAIT_S), path=self.socket_of(side)))
        assert isinstance(report, dict)
        return report

    def is_found(self, side: str) -> bool:
        """Whether a program that comes now finds the daemon of this side."""
        try:
            return bool(self.status(side))
        except NotRunningError:
            return False

    def guest_status(self, name: str) -> dict[str, object]:
        """What the host says of that guest; empty if it has none."""
        guests = self.status("host")["guests"]
        assert isinstance(guests, list)
        return next((each for each in guests if each["resource"] == f"prm-{name}"), {})

    def wait_joined(self, name: str) -> None:
        """Until both ends have greeted each other."""
        eventually(f"{name} joined", lambda: self.guest_status(name).get("guest_program"))
        eventually(f"host seen by {name}", lambda: self.status(name)["host_program"])

    def ask(self, name: str, body: str, seconds: float = WAIT_S, request_id: str = "") -> str:
        path = self.socket_of(name)
        return client.ask(
            "stonith", body, Deadline(seconds), request_id=request_id or None, path=path
        )

    def serve(self, service: str = "stonith") -> Server:
        """A program that registers now."""
        server = Server(self.socket_of("host"), service)
        self._servers.append(server)
        return server

    def close(self) -> None:
        for server in self._servers:
            server.close()
        for process in reversed(self.processes):
            process.end(signal.SIGKILL)

    def _daemon(self, side: str, *arguments: str, more: str = "") -> Process:
        code = DAEMON.format(
            paths=[str(tree.ROOT), str(self.directory / "library")],
            run_dir=str(self.directory / "run"),
            cib=str(self.directory / "cib.xml"),
            attrd=str(self._attrd),
            argv=[*arguments, "--socket", self.socket_of(side)],
            more=more,
        )
        return self._start([sys.executable, "-I", "-c", code], f"{side}.log")

    def _start(self, argv: list[str], log: str) -> Process:
        process = Process(argv, self.directory / f"{len(self.processes)}-{log}")
        self.processes.append(process)
        return process


@contextlib.contextmanager
def world_of(kind: type[W]) -> Iterator[W]:
    """Not in tmp_path: a unix socket's path has at most 107 characters."""
    with contextlib.ExitStack() as stack:
        directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="world-"))
        yield stack.enter_context(contextlib.closing(kind(Path(directory))))


class Server:
    """A program that serves stonith, by hand."""

    def __init__(self, path: str, service: str) -> None:
        self._connection = Connection(
            Deadline(WAIT_S * 2),
            program="server",
            path=path,
            expected=codec.FROM_HOST_CONNECTD,
        )
        self._connection.__enter__()
        self._connection.send(Register(service))
        self._events = self._connection.events()
        while not isinstance(self._next(), Registered):
            pass

    def take(self) -> Forwarded:
        """The next request."""
        event = self._next()
        assert isinstance(event, Forwarded)
        return event

    def answer(self, request: Forwarded, body: str) -> None:
        self._connection.send(Answer(request.route, request.service, request.id, body))

    def close(self) -> None:
        self._connection.__exit__()

    def _next(self) -> Event:
        event = next(self._events)
        assert not isinstance(event, Refused)
        return event
