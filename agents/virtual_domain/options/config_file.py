# SPDX-License-Identifier: GPL-2.0-or-later
"""save_config_on_stop and sync_config_on_stop: what was changed in a guest goes back to its file,
when a deep monitor sees it, when the guest stops, and when it migrates.

Never in the way of what the action is for: whatever fails here is a warning.
"""

from __future__ import annotations

import os
import re
import stat

from agents.virtual_domain.guest import domain_state
from pmkvm import files, knock
from pmkvm.errors import CommandError, DeadlineError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.thread_call import call_in_thread
from pmkvm.virt.connection import XML_INACTIVE, LibvirtError
from pmkvm.virt.definition import LONGEST, parse_identity
from pmkvm.virt.identity import DefinitionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

# What a person may see in the file: with its secrets, and as it will be at the next start.
_SECURE = 1  # VIR_DOMAIN_XML_SECURE
# A stop under a fence loses no more time than this to reading, nor to writing.
_SAVE_S = 2.0
# A migration waits no longer for csync2.
_SYNC_S = 10.0
_MODE = 0o600
# What libvirt gives a channel without a path (before 9.7, and since). It has the number of this
# life in it, and libvirt makes another one at each start, whatever the file says.
_OF_THIS_LIFE = re.compile(
    r"\n *<source mode='bind' path='"
    r"/(?:var/lib|run)/libvirt/qemu/channel/(?:target/domain-)?\d+-[^/']*/[^/']*'/>"
)


def save_for_all(context: Context, subject: Subject) -> None:
    """As the parameters ask of a guest that lives on: here, and on the others."""
    if not (context.flag("save_config_on_stop") or context.flag("sync_config_on_stop")):
        return
    if save(context, subject, context.deadline) and context.flag("sync_config_on_stop"):
        sync(context, context.deadline.at_most(_SYNC_S))


def save(context: Context, subject: Subject, deadline: Deadline) -> bool:
    """Write the running guest's definition into its file; whether that changed anything."""
    if not context.text("config"):
        return False
    name, path = subject.identity.name, context.text("config")
    soon = deadline.at_most(_SAVE_S)
    try:
        knock.require_answer(path, soon)
        new = domain_state.command(
            subject,
            soon,
            "reading the definition of",
            lambda domain: domain.description(_SECURE | XML_INACTIVE),
        )
        if parse_identity(new.encode(), "libvirt's definition").name != name:
            raise DefinitionError("libvirt's definition is another guest's")
        new = _OF_THIS_LIFE.sub("", new)
        is_new = call_in_thread(
            deadline.at_most(_SAVE_S), f"writing {path}", lambda: _write(path, new)
        )
    except (LibvirtError, DeadlineError, DefinitionError, OSError) as error:
        context.log.warning(f"{name}: {path} not saved: {error}")
        return False
    if is_new:
        context.log.info(f"{name}: definition saved to {path}")
    return is_new


def sync(context: Context, deadline: Deadline) -> None:
    """Have csync2 bring the file to the other hosts."""
    from pmkvm.run import run

    path = context.text("config")
    try:
        done = run(["csync2", "-x", path], timeout_s=deadline.remaining())
    except CommandError as error:
        context.log.warning(f"{path} is not on the other hosts: {error}")
        return
    if done.rc != 0:
        said = (done.err or done.out).strip().rpartition("\n")[2]
        context.log.warning(
            f"{path} is not on the other hosts: csync2 ended with {done.rc}: {said}"
        )


def require_csync2(context: Context) -> None:
    """Raises OcfError INSTALLED."""
    import shutil

    from pmkvm import settings

    path = settings.CHILD_ENVIRONMENT["PATH"]
    if context.flag("sync_config_on_stop") and shutil.which("csync2", path=path) is None:
        raise OcfError(
            OcfCode.INSTALLED, "sync_config_on_stop needs csync2, which is not installed"
        )


def _write(path: str, new: str) -> bool:
    """Into the file itself where path is a link; whether that changed anything."""
    path = os.path.realpath(path)
    if _text(path) == new:
        return False
    _replace(path, new)
    return True


def _text(path: str) -> str | None:
    try:
        return files.read_text(path, LONGEST)
    except UnicodeDecodeError:
        return None


def _replace(path: str, text: str) -> None:
    """Rights and owner stay: the file may hold passwords."""
    try:
        there = os.stat(path)
    except FileNotFoundError:
        files.write_atomically(path, text, _MODE)
        return
    files.write_atomically(path, text, stat.S_IMODE(there.st_mode), (there.st_uid, there.st_gid))
