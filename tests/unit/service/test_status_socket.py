# SPDX-License-Identifier: GPL-2.0-or-later
"""Asking a daemon that does not answer ends at the deadline, wherever in the asking that falls."""

from __future__ import annotations

import itertools
import socket
from typing import TYPE_CHECKING

import pytest

from pmkvm.deadline import Deadline
from pmkvm.errors import DeadlineError
from pmkvm.service import status_socket

if TYPE_CHECKING:
    from pathlib import Path


@pytest.mark.parametrize("times", [(0.0, 1.0), (0.0, 0.0, 0.999), (0.0, 0.0, 0.999, 1.0)])
def test_a_daemon_that_says_nothing_is_not_waited_for(
    tmp_path: Path, times: tuple[float, ...]
) -> None:
    path = str(tmp_path / "s")
    clock = itertools.chain(times, itertools.repeat(1.0))
    with socket.socket(socket.AF_UNIX) as silent:
        silent.bind(path)
        silent.listen(1)
        with pytest.raises(DeadlineError, match="diskd does not answer"):
            status_socket.ask("diskd", path, Deadline(1.0, lambda: next(clock)))
