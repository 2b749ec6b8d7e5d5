# SPDX-License-Identifier: GPL-2.0-or-later
"""Which process is this resource's: the pidfile, one line with a pid and its start time.

Only a file that the agent's own user has written is believed: what it names is killed with root's
rights, and an administrator may have put it into a directory of the program's user.
"""

from __future__ import annotations

import os

from pmkvm import files, process, settings
from pmkvm.light_types import NamedTuple
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.context import parse_boolean
from pmkvm.ocf.errors import OcfError
from pmkvm.process import Life

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.ocf.context import Context

_MAX_BYTES = 100
# An interpreter and its script, each the path of a file.
_LONGEST_COMMAND = 16384


class Record(NamedTuple):
    """What the file says.

    life: the one that was started last, whether or not it is over; None if there was none. doubt:
    why it can't be believed or understood; what can't be known is not "stopped".
    """

    life: Life | None = None
    doubt: OcfError | None = None


def load(context: Context) -> Record:
    try:
        return Record(_life(context))
    except OcfError as error:
        return Record(None, error)


def _life(context: Context) -> Life | None:
    text = _read(path(context))
    if text is None:
        return None
    fields = text.split()
    are_numbers = all(field.isascii() and field.isdigit() for field in fields)
    if not are_numbers or len(fields) not in (1, 2):
        raise OcfError(OcfCode.GENERIC, f"{path(context)} holds no pid: {text!r}")
    if len(fields) == 1:
        return _verified(int(fields[0]), context.text("binfile"))
    return Life(int(fields[0]), int(fields[1]))


def store(context: Context, life: Life) -> bool:
    """Whether it could be written; if not, that is in the log, and the program has its mark."""
    try:
        if not context.text("pidfile"):
            os.makedirs(_run_dir(), mode=0o700, exist_ok=True)
        files.write_atomically(path(context), f"{life.pid} {life.start_time}\n", 0o644)
    except OSError as error:
        context.log.warning(f"{path(context)} can't be written: {error.strerror}")
        return False
    return True


def forget(context: Context) -> None:
    """A file that can't be removed names a life that is over."""
    try:
        files.remove(path(context))
    except NotADirectoryError:
        return
    except OSError as error:
        context.log.warning(f"{path(context)} can't be removed: {error.strerror}")


def path(context: Context) -> str:
    return context.text("pidfile") or os.path.join(_run_dir(), f"{instance(context)}.pid")


def instance(context: Context) -> str:
    """The instance, without its number if the instances of a clone are all alike.

    Pacemaker may give the same process another number tomorrow. A name must not leave the
    directory, whatever it holds.
    """
    name, colon, number = context.instance.rpartition(":")
    if not (colon and number.isdigit() and _is_anonymous_clone(context)):
        name = context.instance
    return name.replace("%", "%25").replace("/", "%2F")


def _is_anonymous_clone(context: Context) -> bool:
    try:
        return not parse_boolean(context.meta.get("globally_unique", "true"))
    except ValueError:
        return False


def _run_dir() -> str:
    return os.path.join(settings.RUN_DIR, "anything")


def _read(name: str) -> str | None:
    # O_NONBLOCK: what stands there may be a pipe of somebody's.
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise OcfError(OcfCode.GENERIC, f"{name}: {error.strerror}") from error
    try:
        if os.fstat(descriptor).st_uid not in (0, os.geteuid()):
            raise OcfError(OcfCode.GENERIC, f"{name} is not root's file, so it is not believed")
        return os.read(descriptor, _MAX_BYTES).decode(errors="replace")
    except OSError as error:
        raise OcfError(OcfCode.GENERIC, f"{name}: {error.strerror}") from error
    finally:
        os.close(descriptor)


def _verified(pid: int, binfile: str) -> Life | None:
    """The life that has a pid now, if it runs this program: by its executable or first arguments.

    A script's executable is its interpreter, and the script the second argument.
    """
    life = process.life_of(pid)
    directory = f"{settings.PROC}/{pid}"
    try:
        executable = os.readlink(f"{directory}/exe")
        argv = files.read_beginning(f"{directory}/cmdline", _LONGEST_COMMAND).split(b"\0")[:2]
    except OSError:
        return None
    # Its file last: that may lie on a mount that hangs, and we start it by this very name.
    runs = os.fsencode(binfile) in argv or executable == os.path.realpath(binfile)
    # Looked at again behind its arguments: a pid that was reused in between shows.
    return life if binfile and runs and process.life_of(pid) == life else None
