# SPDX-License-Identifier: GPL-2.0-or-later
"""Which errors are about what we have run out of."""

from __future__ import annotations

import errno
import os

import pytest

from pmkvm.errors import DeadlineError, ExhaustedError, is_exhaustion
from pmkvm.virt.connection import LibvirtError


@pytest.mark.parametrize(
    "error",
    [
        MemoryError(),
        SystemError("error return without exception set"),
        ExhaustedError("no thread can be started"),
        OSError(errno.EMFILE, os.strerror(errno.EMFILE)),
        LibvirtError(38, "cannot open: Too many open files", errno.EMFILE),
        ImportError("libstdc++.so.6: failed to map segment from shared object"),
        RuntimeError("can't start new thread"),
        # Of a file that is opened, as Python says it where there is no memory for its lock.
        RuntimeError("can't allocate read lock"),
    ],
    ids=repr,
)
def test_a_lack_is_one(error: BaseException) -> None:
    assert is_exhaustion(error)


@pytest.mark.parametrize(
    "error",
    [
        OSError(errno.ENOENT, os.strerror(errno.ENOENT)),
        LibvirtError(38, "no such file", errno.ENOENT),
        LibvirtError(55, "domain is not running"),
        DeadlineError("out of time"),
        ImportError("No module named libvirtmod"),
        RuntimeError("dictionary changed size during iteration"),
    ],
    ids=repr,
)
def test_another_error_is_none(error: BaseException) -> None:
    assert not is_exhaustion(error)
