# SPDX-License-Identifier: GPL-2.0-or-later
"""What ifcheckd reads of a real corosync, of this machine's release and of the lab's others: both
links up, one cut and mended, a corosync that has stopped."""

from __future__ import annotations

import contextlib
import signal
from typing import TYPE_CHECKING

import pytest

from daemons.ifcheckd import corosync, picture
from daemons.ifcheckd.picture import Membership, Peer
from pmkvm import run
from pmkvm.errors import DeadlineError, HaError
from tests.tools import roots
from tests.tools.corosyncs import running
from tests.tools.guest import needs_root
from tests.unit.waiting import eventually

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = needs_root


def told() -> dict[str, str]:
    """The attributes; empty while corosync does not answer."""
    with contextlib.suppress(HaError):
        known = corosync.membership()
        names = corosync.interfaces(tuple(known.addresses.values()))
        interfaces = {link: names[address] for link, address in known.addresses.items()}
        return picture.attributes(known, corosync.links(), interfaces, "ifcheckd")
    return {}


@pytest.mark.parametrize("root", roots.ROOTS, ids=str)
def test_one_of_two_links_is_cut_and_comes_back(
    root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with running(root, tmp_path) as corosyncs:
        monkeypatch.setattr(run, "run", corosyncs.call)
        well = {"node2-eth0": "up", "node2-eth1": "up", "ifcheckd": "2"}
        eventually("both have met", lambda: told() == well)
        addresses = {0: "10.99.0.1", 1: "10.99.1.1"}
        peers = {"2": Peer("node2", is_member=True)}
        assert corosync.membership() == Membership(peers, addresses, has_knet=True)
        corosyncs.ip(1, "link", "set", "eth1", "down")
        cut = {**well, "node2-eth1": "dead", "ifcheckd": "1"}
        eventually("the cut is seen", lambda: told() == cut)
        corosyncs.ip(1, "link", "set", "eth1", "up")
        eventually("the link is back", lambda: told() == well)
        corosyncs.processes[2].send_signal(signal.SIGSTOP)
        eventually("the other one has left", lambda: told() == {"ifcheckd": "2"})
        corosyncs.processes[1].send_signal(signal.SIGSTOP)
        with pytest.raises(DeadlineError, match="did not end within"):
            corosync.links()
