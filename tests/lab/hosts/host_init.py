# SPDX-License-Identifier: GPL-2.0-or-later
"""PID 1 of a lab host: mounts its root, changes into it, and reaps whatever dies in it.

Runs in namespaces that its starter made: host_init.py SPEC, a JSON file of Machine's.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import sys
from pathlib import Path
from typing import Any

from pmkvm.run import run
from tests.lab.errors import LabError

READY = "/run/lab-ready"
LOGS = "/var/log"
RUN_DIRS = (
    "/run/lock",
    "/run/libvirt",
    "/run/corosync",
    "/run/sshd",
    "/run/lab",
    "/var/log/cluster",
    "/var/log/pacemaker",
)


def main(argv: list[str]) -> int:
    spec = json.loads(Path(argv[0]).read_text(encoding="utf-8"))
    root = spec["root"]
    _mount_root(spec, root)
    socket.sethostname(spec["name"])
    os.chroot(root)
    os.chdir("/")
    _make_directories()
    Path(READY).touch()
    # With SIGCHLD ignored the kernel reaps the orphans itself.
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)
    while True:
        signal.pause()


def _mount_root(spec: dict[str, Any], root: str) -> None:
    _mount("--make-rprivate", "/")
    layers = f"lowerdir={spec['lower']},upperdir={spec['upper']},workdir={spec['work']}"
    _mount("-t", "overlay", "-o", layers, "overlay", root)
    _mount("-t", "proc", "proc", f"{root}/proc")
    _mount("-t", "sysfs", "sysfs", f"{root}/sys")
    _mount("--rbind", "/sys/fs/cgroup", f"{root}/sys/fs/cgroup")
    _mount("--rbind", "/dev", f"{root}/dev")
    for directory in ("dev/shm", "run", "tmp"):
        _mount("-t", "tmpfs", "-o", "mode=1777", "tmpfs", f"{root}/{directory}")
    os.chmod(f"{root}/run", 0o755)
    _copy_directories(f"{root}{LOGS}", spec["logs"])
    _mount("--bind", spec["logs"], f"{root}{LOGS}")
    for source, target in spec["binds"].items():
        os.makedirs(f"{root}{target}", exist_ok=True)
        _mount("--bind", source, f"{root}{target}")


def _make_directories() -> None:
    for directory in RUN_DIRS:
        os.makedirs(directory, exist_ok=True)
    for directory in ("/run/pacemaker", "/run/crm", "/var/log/pacemaker"):
        os.makedirs(directory, exist_ok=True)
        # chown reads the names in the host's own files; this process may have other ones.
        _must("chown", "hacluster:haclient", directory)


def _copy_directories(source: str, target: str) -> None:
    """What packages have made for their logs, empty: a file system of the host's own hides it."""
    for directory, names, _files in os.walk(source):
        for name in names:
            made = os.path.join(target, os.path.relpath(directory, source), name)
            status = os.stat(os.path.join(directory, name))
            os.makedirs(made, exist_ok=True)
            os.chown(made, status.st_uid, status.st_gid)
            os.chmod(made, status.st_mode)


def _mount(*arguments: str) -> None:
    _must("mount", *arguments)


def _must(*argv: str) -> None:
    done = run(argv, timeout_s=10)
    if done.rc != 0:
        raise LabError(f"{' '.join(argv)}: {done.err.strip()}")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
