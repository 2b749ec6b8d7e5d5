# SPDX-License-Identifier: GPL-2.0-or-later
"""systemctl of a lab host, where no systemd runs: starts and stops the daemons of the cluster.

All else is for the distribution's systemctl, which changes what is enabled without a systemd.
"""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

PROGRAM, REAL = "/usr/bin/systemctl", "/usr/bin/systemctl.real"
DETACH = str(Path(__file__).with_name("detach.py"))
LOG = "/var/log/pacemaker/pacemaker.log"
WAIT_S, POLL_S = 60.0, 0.1
# What systemctl answers for a unit that does not run.
INACTIVE = 3


class Unit(NamedTuple):
    """name: by which the lab knows the daemon; ask: what answers with one of well once it is up."""

    name: str
    argv: list[str]
    ask: list[str]
    well: tuple[int, ...] = (0,)


# corosync-quorumtool answers 2 without quorum.
UNITS = {
    "corosync": Unit("corosync", ["corosync", "-f"], ["corosync-quorumtool", "-s"], (0, 2)),
    "pacemaker": Unit("pacemakerd", ["pacemakerd", "-f"], ["crmadmin", "--pacemakerd"]),
}
# As their units say: Pacemaker's start is corosync's too, and corosync's stop is Pacemaker's.
LOWER, UPPER = {"pacemaker": "corosync"}, {"corosync": "pacemaker"}


def main(argv: list[str]) -> int:
    words = [word for word in argv if not word.startswith("-")]
    units = [word[: -len(".service")] if word.endswith(".service") else word for word in words[1:]]
    verb = words[0] if words else ""
    if verb == "is-active":
        return max(is_active(unit) for unit in units)
    if verb in ACTS and all(unit in UNITS for unit in units):
        return 0 if all(ACTS[verb](unit) for unit in units) else 1
    # Nothing else runs here that could be started or stopped.
    asked = [word for word in argv if word != "--now"]
    offline = {**os.environ, "SYSTEMD_OFFLINE": "1"}
    return subprocess.run([REAL, *asked], env=offline, check=False).returncode


def start(unit: str) -> bool:
    """Back when it answers; false if it does not in time."""
    if unit in LOWER and not start(LOWER[unit]):
        return False
    name, argv, ask, well = UNITS[unit]
    if pid_of(name) is None:
        files = [f"/run/lab/{name}.pid", f"/var/log/lab-{name}.log"]
        launcher = ["/usr/bin/python3", "-I", DETACH, *files, *argv]
        subprocess.run(launcher, env={**os.environ, "PCMK_logfile": LOG}, check=True)
    return wait(lambda: subprocess.run(ask, capture_output=True, check=False).returncode in well)


def stop(unit: str) -> bool:
    """Back when it has ended; false if it does not in time."""
    if unit in UPPER and not stop(UPPER[unit]):
        return False
    name = UNITS[unit].name
    pid = pid_of(name)
    if pid is not None:
        os.kill(pid, signal.SIGTERM)
    return wait(lambda: pid_of(name) is None)


ACTS = {"start": start, "stop": stop}


def is_active(unit: str) -> int:
    return 0 if unit in UNITS and pid_of(UNITS[unit].name) is not None else INACTIVE


def wait(is_true: Callable[[], bool]) -> bool:
    end = time.monotonic() + WAIT_S
    while not is_true():
        if time.monotonic() > end:
            return False
        time.sleep(POLL_S)
    return True


def pid_of(name: str) -> int | None:
    """Of a daemon that the lab knows by this name, while it lives."""
    try:
        pid, began = Path(f"/run/lab/{name}.pid").read_text(encoding="ascii").split()
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return None
    fields = stat.rpartition(")")[2].split()
    return int(pid) if fields[0] != "Z" and fields[19] == began else None


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
