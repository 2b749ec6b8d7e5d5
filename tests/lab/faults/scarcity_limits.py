# SPDX-License-Identifier: GPL-2.0-or-later
"""What processes of a host may not have: memory, descriptors, threads and processes.

The limits are those of our daemons and agents alone. What corosync, Pacemaker, libvirt and QEMU
make of such a lack is theirs.
"""

from __future__ import annotations

import contextlib
import os
import re
import resource
from pathlib import Path

from tests.lab.errors import LabError
from tests.lab.faults import scarcity
from tests.lab.faults.scarcity_acts import Act
from tests.lab.hosts import host_processes
from tests.lab.hosts.control_group import Barren

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.gate import Gate
    from tests.lab.faults.scarcity import Lack
    from tests.lab.hosts.machine import Machine
    from tests.lab.hosts.process import Process

KIB = 1024
PAGE = os.sysconf("SC_PAGE_SIZE")
# Nothing is mapped in less: neither a thread's stack nor an arena of the interpreter.
GRAIN = 128 * KIB
# Standard input, output, error.
STANDARD = 3
USUAL_FILES = 1024
# An interpreter without memory may also begin and never end.
HANGS_S = "5"
# The agent's own modules and data.
MODULES_KIB = 6 * KIB
# Far more than any agent takes.
AMPLE_KIB = 1024 * KIB
PYTHON = ["/usr/bin/python3", "-IS", "-c"]
LIBVIRT = "import site, sys; sys.path += site.getsitepackages(); import libvirtmod"
PEAK = f"{LIBVIRT}; print(open('/proc/self/status').read())"
THREAD = "import _thread; _thread.start_new_thread(int, ())"

# What can't be done any more, and what still can.
CANNOT = {
    scarcity.TOO_LITTLE: "pass",
    scarcity.FOR_PYTHON: LIBVIRT,
    scarcity.FOR_LIBVIRT: f"{LIBVIRT}; {THREAD}",
    scarcity.NO_STACK: THREAD,
    scarcity.SINGLE: THREAD,
    scarcity.ONE_FILE: "import os; [os.dup(1) for n in range(2)]",
    scarcity.FEW_FILES: "import os; [os.dup(1) for n in range(6)]",
}
CAN = {
    scarcity.TOO_LITTLE: "",
    scarcity.FOR_PYTHON: "pass",
    scarcity.FOR_LIBVIRT: LIBVIRT,
    scarcity.NO_STACK: LIBVIRT,
    scarcity.SINGLE: "pass",
    scarcity.ONE_FILE: "import os; os.dup(1)",
    scarcity.FEW_FILES: "import os; [os.dup(1) for n in range(5)]",
}


class Needs:
    """How much memory the distribution's Python takes on a host, without anything of ours."""

    def __init__(self, host: Machine) -> None:
        said = host.must([*PYTHON, PEAK])
        found = re.search(r"VmPeak:\s*(\d+) kB", said)
        if found is None:
            raise LabError(f"{host.name}: no VmPeak in {said!r}")
        self.libvirt_kib = int(found[1])
        low, high = 0, self.libvirt_kib
        while high - low > KIB:
            middle = (low + high) // 2
            low, high = (low, middle) if _can(host, _memory(middle), "pass") else (middle, high)
        self.python_kib = high


class Agents(Act):
    """Each call of an agent on the host, from now on."""

    def __init__(self, host: Machine, gate: Gate, what: str, needs: Needs) -> None:
        self._host, self._gate, self._what = host, gate, what
        self._group = Barren(_name(host, "agents")) if what == scarcity.SINGLE else None
        self._limits = f"echo $$ >{self._group.door}" if self._group else _limits(what, needs)

    def begin(self) -> None:
        if self._group:
            self._group.make()
        self._gate.limit(self._host, self._limits)

    def felt(self) -> str:
        can, cannot = CAN[self._what], CANNOT[self._what]
        if can and not _can(self._host, self._limits, can):
            raise LabError(f"{self._limits}: not even {can!r} can be done")
        if _can(self._host, self._limits, cannot):
            raise LabError(f"{self._limits}: {cannot!r} can be done")
        return f"{self._limits}: {cannot!r} fails"

    def trace(self) -> str:
        calls = sum(call.limits == self._limits for call in self._gate.calls())
        if not calls:
            raise LabError("no agent was called")
        refused = f", {self._group.refused()} refused" if self._group else ""
        return f"{calls} calls{refused}"

    def end(self) -> None:
        self._gate.limit(self._host, "")
        if self._group:
            self._group.release()
        relieve(self._host)


class Limited(Act):
    """A daemon that gets no more of something."""

    def __init__(self, host: Machine, program: str, what: str) -> None:
        self._host, self._what = host, what
        self._process = the_daemon(host, program)

    def begin(self) -> None:
        self.keep()

    def keep(self) -> None:
        pid = self._process.pid
        # It may have ended.
        with contextlib.suppress(ProcessLookupError, FileNotFoundError):
            if self._what == scarcity.NO_DESCRIPTOR:
                _set(pid, resource.RLIMIT_NOFILE, STANDARD)
            else:
                _set(pid, resource.RLIMIT_AS, _size(pid))

    def felt(self) -> str:
        pid = self._process.pid
        if self._what == scarcity.NO_DESCRIPTOR:
            return f"{len(os.listdir(f'/proc/{pid}/fd'))} are open, {STANDARD} may be"
        size, limit = _size(pid), resource.prlimit(pid, resource.RLIMIT_AS)[0]
        if limit - size >= GRAIN:
            raise LabError(f"it has {size}, and may have {limit}")
        return f"it has {size // KIB} KiB, and may have {limit // KIB} KiB"

    def trace(self) -> str:
        return self.felt() if self._process.is_alive() else "it has ended"

    def end(self) -> None:
        relieve(self._host)


class Alone(Act):
    """A daemon that can start neither a process nor a thread."""

    def __init__(self, host: Machine, program: str) -> None:
        self._process = the_daemon(host, program)
        self._group = Barren(_name(host, program))

    def begin(self) -> None:
        self._group.make()
        self._group.join(self._process.pid)

    def felt(self) -> str:
        return "it is in the group"

    def trace(self) -> str:
        refused = self._group.refused()
        if not refused:
            raise LabError("it wanted none")
        return f"{refused} refused"

    def end(self) -> None:
        self._group.release()


def of_daemon(host: Machine, lack: Lack) -> Act:
    if lack.what == scarcity.NO_PROCESS:
        return Alone(host, lack.of)
    return Limited(host, lack.of, lack.what)


def the_daemon(host: Machine, program: str) -> Process:
    """Raises LabError if it does not run, or twice."""
    found = host_processes.leaders(host, f"/usr/sbin/{program}")
    if len(found) != 1:
        raise LabError(f"{host.name}: {len(found)} times {program}")
    return found[0]


def relieve(host: Machine) -> None:
    """Each process of the host may have again what it was kept from. Nobody else limits memory, or
    descriptors to so few."""
    for process in host_processes.living(host):
        # It has ended, or is of a user whose limits root may not see here; ours are root's.
        with contextlib.suppress(ProcessLookupError, PermissionError):
            # Threads that begin now have been given their stack's size with the process.
            if resource.prlimit(process.pid, resource.RLIMIT_AS)[0] != resource.RLIM_INFINITY:
                _set(process.pid, resource.RLIMIT_AS, resource.RLIM_INFINITY)
            if resource.prlimit(process.pid, resource.RLIMIT_NOFILE)[0] <= STANDARD + 5:
                _set(process.pid, resource.RLIMIT_NOFILE, USUAL_FILES)


def _limits(what: str, needs: Needs) -> str:
    """For the shell that becomes an agent."""
    # A thread's stack is as large as the stack of a process may grow (pthread_create(3)).
    stack = f"ulimit -S -s {AMPLE_KIB * 2} && "
    return {
        scarcity.TOO_LITTLE: _memory(needs.python_kib * 3 // 4),
        scarcity.FOR_PYTHON: _memory(needs.python_kib + MODULES_KIB),
        scarcity.FOR_LIBVIRT: _memory(needs.libvirt_kib + MODULES_KIB),
        scarcity.NO_STACK: stack + _memory(AMPLE_KIB),
        scarcity.ONE_FILE: f"ulimit -S -n {STANDARD + 1}",
        scarcity.FEW_FILES: f"ulimit -S -n {STANDARD + 5}",
    }[what]


def _memory(kib: int) -> str:
    return f"ulimit -S -v {kib}"


def _can(host: Machine, limits: str, code: str) -> bool:
    """Whether Python can do that on the host under these limits."""
    limited = ["sh", "-c", f'{limits} && exec "$@"', "sh", *PYTHON, code]
    return host.run(["timeout", HANGS_S, *limited]).rc == 0


def _set(pid: int, kind: int, soft: int) -> None:
    resource.prlimit(pid, kind, (soft, resource.prlimit(pid, kind)[1]))


def _size(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text(encoding="ascii").split()[0]) * PAGE


def _name(host: Machine, what: str) -> str:
    """Two labs may be up."""
    return f"{os.path.basename(host.directory)}-{host.name}-{what}"
