# SPDX-License-Identifier: GPL-2.0-or-later
"""The user that the program runs as: its entry, its groups, and acting with its rights."""

from __future__ import annotations

import contextlib
import os
import pwd

from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.run import Account

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterator


def entry_of(name: str) -> pwd.struct_passwd:
    """Raises OcfError INSTALLED: another node may know the user."""
    try:
        return pwd.getpwnam(name)
    except KeyError as error:
        raise OcfError(OcfCode.INSTALLED, f"user {name!r} does not exist here") from error


def account_of(entry: pwd.struct_passwd) -> Account | None:
    """The rights to be taken on; None if the agent has them. Raises OcfError PERM."""
    if entry.pw_uid == os.geteuid():
        return None
    if os.geteuid() != 0:
        raise OcfError(OcfCode.PERM, f"only root may run a program as {entry.pw_name}")
    groups = os.getgrouplist(entry.pw_name, entry.pw_gid)
    return Account(entry.pw_uid, entry.pw_gid, groups)


@contextlib.contextmanager
def rights_of(account: Account | None) -> Iterator[None]:
    """Let the whole agent act as this user for a moment.

    A log that is opened so is one that the user may write, wherever its links lead.
    """
    if account is None:
        yield
        return
    uid, gid, groups = os.geteuid(), os.getegid(), os.getgroups()
    os.setgroups(account.groups)
    os.setegid(account.gid)
    os.seteuid(account.uid)
    try:
        yield
    finally:
        os.seteuid(uid)
        os.setegid(gid)
        os.setgroups(groups)
