# SPDX-License-Identifier: GPL-2.0-or-later
"""Which errors are about what we have run out of."""

from __future__ import annotations

import errno
import os

import pytest

from pmkvm.errors import DeadlineError, ExhaustedError, is_exhaustion
from pmkvm.virt.connection import LibvirtError


@pytest.mark.parametrize(
    ("error", "is_lack"),
    [
        (MemoryError(), True),
        (SystemError("error return without exception set"), True),
        (ExhaustedError("no thread can be started"), True),
        (OSError(errno.EMFILE, os.strerror(errno.EMFILE)), True),
        (LibvirtError(38, "cannot open: Too many open files", errno.EMFILE), True),
        (ImportError("libstdc++.so.6: failed to map segment from shared object"), True),
        (RuntimeError("can't start new thread"), True),
        # Of a file that is opened, as Python says it where there is no memory for its lock.
        (RuntimeError("can't allocate read lock"), True),
        (OSError(errno.ENOENT, os.strerror(errno.ENOENT)), False),
        (LibvirtError(38, "no such file", errno.ENOENT), False),
        (LibvirtError(55, "domain is not running"), False),
        (DeadlineError("out of time"), False),
        (ImportError("No module named libvirtmod"), False),
        (RuntimeError("dictionary changed size during iteration"), False),
    ],
    ids=repr,
)
def test_a_lack_is_one_and_another_error_is_none(error: BaseException, is_lack: bool) -> None:
    assert is_exhaustion(error) is is_lack
