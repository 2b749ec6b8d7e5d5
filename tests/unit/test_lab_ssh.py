# SPDX-License-Identifier: GPL-2.0-or-later
"""Whether a host's sshd takes connections, by the kernel's table of sockets."""

from __future__ import annotations

import pytest

from tests.lab.hosts import ssh

HEAD = (
    "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout\n"
)
LISTENING = (
    "   0: 00000000:0016 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0\n"
)
CONNECTED = (
    "   1: 0100007F:0016 0100007F:C350 01 00000000:00000000 00:00000000 00000000     0        0\n"
)
ANOTHER = (
    "   2: 00000000:4035 00000000:0000 0A 00000000:00000000 00:00000000 00000000     0        0\n"
)


@pytest.mark.parametrize(
    ("rows", "is_so"),
    [("", False), (CONNECTED + ANOTHER, False), (ANOTHER + LISTENING, True)],
)
def test_only_a_socket_of_its_port_that_listens_is_one(rows: str, is_so: bool) -> None:
    assert ssh.listens(HEAD + rows) is is_so
