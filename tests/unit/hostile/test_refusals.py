# SPDX-License-Identifier: GPL-2.0-or-later
"""Refusals of tokens by both daemons as processes: the same words, and the same work.

A difference would tell a guest whether a text that it has changed decrypts to an id. Who can ask
that often enough decrypts tokens of 2011 and makes others: a padding oracle.
"""

from __future__ import annotations

import re
import statistics
import time
from typing import TYPE_CHECKING

import pytest

from daemons.vm_connectd.limits import REQUESTS_PER_S
from tests.unit.hostile.whole_host import WholeHost
from tests.unit.vm_connectd.world import world_of

if TYPE_CHECKING:
    from collections.abc import Iterator

COMMAND = "openssl des-ede3 -d -base64 -k vmstonith"
# Of the passphrase's own making, prmVMCTL_guest1, which is no resource here; and a damaged one.
UNKNOWN_ID = "U2FsdGVkX1/np+ufQEZswWVy2jicZEbALptnPnY5ZCF1HDnwHWmwWQ=="
NO_ID = "U2FsdGVkX1/0NmOPdK77shIGkagLA5RdgVghb7MdCdaggiLLrS01Fw=="
WORD = re.compile(r" [0-9a-f]{16} ")
TIMES = 10
# What is read of the cluster for its own sake.
OWN_READINGS = 2
OWN_READINGS_PER_S = 2


@pytest.fixture(scope="module")
def host() -> Iterator[WholeHost]:
    with world_of(WholeHost) as made:
        made.add("g1", "g2")
        made.start("-c", COMMAND)
        made.start_guest("g1")
        made.wait_joined("g1")
        yield made


@pytest.mark.parametrize("operation", ["reset", "on", "status", "list"])
@pytest.mark.parametrize("kind", ["no id", "an id of nothing", "another guest's", "altered"])
def test_a_refusal_tells_nothing_and_nothing_is_read_for_it(
    host: WholeHost, operation: str, kind: str
) -> None:
    token = {
        "no id": NO_ID,
        "an id of nothing": UNKNOWN_ID,
        "another guest's": host.token("g2", "g2"),
        "altered": altered(host.token("g1", "g1")),
    }[kind]
    readings, began = host.readings, time.monotonic()
    answers, took_s = set(), []
    for _ in range(TIMES):
        asked = time.monotonic()
        answers.add(WORD.sub(" … ", host.ask_of("g1", f"{operation} {token}")))
        took_s.append(time.monotonic() - asked)
        # As often as a guest may.
        time.sleep(1 / REQUESTS_PER_S)
    own = OWN_READINGS + OWN_READINGS_PER_S * (time.monotonic() - began)
    print(f"{operation} {kind}: {statistics.median(took_s) * 1000:.1f} ms")
    assert answers == {"NG the token is refused: see … in the host's log"}
    assert host.readings - readings <= own


def altered(token: str) -> str:
    return token[:-1] + ("A" if token[-1] != "A" else "B")
