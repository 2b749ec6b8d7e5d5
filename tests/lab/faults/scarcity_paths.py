# SPDX-License-Identifier: GPL-2.0-or-later
"""What can't be written, or is gone, on a host: file systems that are full, directories of ours."""

from __future__ import annotations

import signal

from tests.lab.errors import LabError
from tests.lab.faults import scarcity
from tests.lab.faults.scarcity_acts import Act
from tests.lab.hosts import disks
from tests.lab.hosts.process import children

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.faults.scarcity import Lack
    from tests.lab.hosts.machine import Machine

# Says what becomes of a new file with something in it.
TRY = """
import errno, os, sys
try:
    file = os.open(sys.argv[1], os.O_CREAT | os.O_WRONLY)
    os.write(file, bytes(8192))
    print("written")
except OSError as error:
    print(errno.errorcode[error.errno])
try:
    os.unlink(sys.argv[1])
except OSError:
    pass
"""
# Another one may write meanwhile, so that what was counted is not all of it.
TRIES = 10


def of_path(host: Machine, lack: Lack) -> Act:
    """How that lack of a path comes about."""
    if lack.of in (scarcity.LOGS, scarcity.VAR):
        return FullDisk(host, has_state=lack.of == scarcity.VAR)
    if lack.of == scarcity.RUN:
        return FullRun(host, lack.what)
    if lack.what == scarcity.READ_ONLY:
        return ReadOnly(host, lack.of)
    return Gone(host, lack.of, is_file=lack.what == scarcity.A_FILE)


class FullRun(Act):
    """/run has no room for a byte more, or for a name more."""

    def __init__(self, host: Machine, what: str) -> None:
        self._host = host
        self._is_of_names = what == scarcity.NO_NAMES

    def begin(self) -> None:
        for last in [False] * (TRIES - 1) + [True]:
            init = self._host.init()
            if init is None:
                return
            outside = f"/proc/{init.pid}/root/run"
            option = disks.nameless(outside) if self._is_of_names else disks.full(outside)
            if self._remount(option) or last:
                return

    def keep(self) -> None:
        self.begin()

    def felt(self) -> str:
        return _refused(self._host, "/run/lab-probe", "ENOSPC")

    def trace(self) -> str:
        return self.felt()

    def end(self) -> None:
        self._remount(disks.ROOMY)

    def _remount(self, option: str) -> bool:
        """Whether it could; not of a host that is dead."""
        if not self._host.is_alive():
            return True
        return self._host.run(["mount", "-o", f"remount,{option}", "/run"]).rc == 0


class FullDisk(Act):
    """/var/log is full; with the state of Pacemaker, everything that the host writes to disk is."""

    def __init__(self, host: Machine, *, has_state: bool) -> None:
        self._host = host
        self._paths = disks.of(host.home)[0 if has_state else 1 :]
        self._probes = [f"{scarcity.STATE}/lab-probe"] if has_state else []
        self._probes.append(f"{scarcity.LOGS}/lab-probe")

    def begin(self) -> None:
        for path in self._paths:
            disks.fill(path)

    def keep(self) -> None:
        self.begin()

    def felt(self) -> str:
        return "; ".join(_refused(self._host, path, "ENOSPC") for path in self._probes)

    def trace(self) -> str:
        return self.felt()

    def end(self) -> None:
        for path in self._paths:
            disks.empty(path)
        # Pacemaker's CIB manager gives up writing to the disk for good, until it is told so.
        pacemaker = self._host.spawned("pacemakerd") if self._host.is_alive() else None
        for one in children(pacemaker.pid) if pacemaker else []:
            if one.executable().endswith("/pacemaker-based"):
                one.send(signal.SIGPIPE)


class ReadOnly(Act):
    """Whoever looks for the directory finds one that can't be changed."""

    def __init__(self, host: Machine, path: str) -> None:
        self._host, self._path = host, path

    def begin(self) -> None:
        self._host.must(["mount", "--bind", self._path, self._path])
        self._host.must(["mount", "-o", "remount,bind,ro", self._path])

    def felt(self) -> str:
        return _refused(self._host, f"{self._path}/lab-probe", "EROFS")

    def trace(self) -> str:
        return self.felt()

    def end(self) -> None:
        if self._host.is_alive() and self._host.run(["mountpoint", "-q", self._path]).rc == 0:
            self._host.must(["umount", "--lazy", self._path])


class Gone(Act):
    """The directory is not there any more, or a plain file is in its place."""

    def __init__(self, host: Machine, path: str, *, is_file: bool) -> None:
        self._host, self._path, self._is_file = host, path, is_file

    def begin(self) -> None:
        """Whoever makes it anew meanwhile has it taken away again."""
        gone = f"{self._path}.gone"
        put = f'ln -T "{gone}/file" "$1"' if self._is_file else 'test ! -e "$1"'
        text = f"""
            mkdir "{gone}" && touch "{gone}/file"
            for n in $(seq {TRIES}); do
                mv -T "$1" "{gone}/$n" 2>/dev/null
                {put} && break
            done
            rm -rf "{gone}"
        """
        self._host.must(["sh", "-c", text, "sh", self._path])

    def felt(self) -> str:
        if self._is_file:
            return _refused(self._host, f"{self._path}/lab-probe", "ENOTDIR")
        return f"{self._path} was taken away"

    def end(self) -> None:
        """What was in it does not come back."""
        if self._is_file and self._host.is_alive():
            self._host.must(["sh", "-c", 'if [ -f "$1" ]; then rm "$1"; fi', "sh", self._path])


def _refused(host: Machine, path: str, why: str) -> str:
    """That nobody can write there, and why. Raises LabError."""
    said = host.must(["/usr/bin/python3", "-IS", "-c", TRY, path]).strip()
    if said != why:
        raise LabError(f"{host.name}: a write to {path} ends with {said}, not with {why}")
    return f"{path}: {said}"
