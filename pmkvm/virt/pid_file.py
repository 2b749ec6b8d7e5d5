# SPDX-License-Identifier: GPL-2.0-or-later
"""libvirt's own word on which process is whose: its pid files, NAME.pid for a domain's QEMU.

What such a file names is believed only if root has written it, or if the process is of the very
user who has (a helper that writes its own). And the process has to be older than the file: one that
is younger has got the number of a process that is gone.
"""

from __future__ import annotations

import os
import stat
import time

from pmkvm import process, settings
from pmkvm.errors import is_exhaustion
from pmkvm.light_types import NamedTuple

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.process import Life

_SUFFIX = ".pid"
_LONGEST = 32
# File systems round times.
_ROUNDING_S = 1.0


class _Written(NamedTuple):
    """A number, the user who has written it, and when, as a time of day."""

    pid: int
    uid: int
    at: float


def life_of(domain: str) -> Life | None:
    """The process that libvirt has started for this domain; None if it names none.

    Raises OSError where this host has no descriptor or memory to look.
    """
    if not domain or "/" in domain:
        return None
    return read(_path(domain))


def domain_of(life: Life) -> str | None:
    """The domain that libvirt has started this process for; None if no file names it."""
    try:
        names = os.listdir(settings.LIBVIRT_PID_DIR)
    except OSError as error:
        _pass_on(error)
        return None
    domains = (name[: -len(_SUFFIX)] for name in names if name.endswith(_SUFFIX))
    return next((domain for domain in domains if life_of(domain) == life), None)


def pid_of(domain: str) -> int | None:
    """The number that root has written there, whoever has it now. Raises as life_of."""
    written = _written(_path(domain)) if domain and "/" not in domain else None
    return written.pid if written is not None and written.uid == os.geteuid() else None


def read(path: str) -> Life | None:
    """None if it names nobody, or somebody who is not to be believed. Raises as life_of."""
    written = _written(path)
    life = process.life_of(written.pid) if written is not None else None
    if written is None or life is None or _began(life) > written.at + _ROUNDING_S:
        return None
    if written.uid != os.geteuid() and process.user_ids(life.pid) != (written.uid,) * 3:
        return None
    return life


def _path(domain: str) -> str:
    return os.path.join(settings.LIBVIRT_PID_DIR, domain + _SUFFIX)


def _written(path: str) -> _Written | None:
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError as error:
        _pass_on(error)
        return None
    try:
        status = os.fstat(descriptor)
        pid = int(os.read(descriptor, _LONGEST)) if stat.S_ISREG(status.st_mode) else 0
    except OSError as error:
        _pass_on(error)
        return None
    except ValueError:
        return None
    finally:
        os.close(descriptor)
    return _Written(pid, status.st_uid, status.st_mtime) if pid > 1 else None


def _began(life: Life) -> float:
    """As a time of day."""
    return time.time() - process.age_s(life)


def _pass_on(error: OSError) -> None:
    """What is not there any more names nobody. A host that can't look says nothing."""
    if is_exhaustion(error):
        raise error
