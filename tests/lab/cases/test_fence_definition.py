# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's definition is edited, exchanged or lost while the guest runs: no fence of it is OK
while its QEMU lives, and no QEMU is ended as another domain than it is."""

from __future__ import annotations

import contextlib
from typing import Callable, NamedTuple

import pytest

from pmkvm import settings
from tests.lab.cluster import behind
from tests.lab.cluster.behind import OF_2011, SEALED
from tests.lab.faults.situations import matches
from tests.lab.guests.fencing_guest import REQUEST_S
from tests.lab.guests.guests import IMAGES, Guest
from tests.lab.guests.lives import Lives

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from contextlib import AbstractContextManager

    from tests.lab.guests.pair import Pair
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=22)

DEFINITION = "/etc/libvirt/qemu/guest2.xml"
ANEW = "/run/lab/guest2-anew.xml"
# For Pacemaker to start it again.
BACK_S = 90.0
# Whose uuid and name the definition has then.
OTHER = Guest("guest2-old")
SEALED_SINCE = "a token sealed since"


class Change(NamedTuple):
    """made() has it done, to guest2 that runs on host2, and undone.

    is_ok: what the answer must be, None if either will do. tokens: the kinds that it is tried with.
    forgets: what its host remembers goes too.
    """

    name: str
    made: Callable[[Pair], AbstractContextManager[None]]
    is_ok: bool | None = False
    tokens: tuple[str, ...] = (OF_2011, SEALED, SEALED_SINCE)
    forgets: bool = False


@contextlib.contextmanager
def edited(hosts: Iterable[Machine], replacements: dict[str, str]) -> Iterator[None]:
    """Their files have these texts for others; libvirt is not told."""
    before = {host: host.read(DEFINITION) for host in hosts}
    for host, text in before.items():
        new = text
        for old, replacement in replacements.items():
            assert old in new
            new = new.replace(old, replacement)
        host.write(DEFINITION, new, "0600")
    try:
        yield
    finally:
        restore(before)


@contextlib.contextmanager
def lost(host: Machine) -> Iterator[None]:
    before = {host: host.read(DEFINITION)}
    host.must(["rm", DEFINITION])
    try:
        yield
    finally:
        restore(before)


def restore(files: dict[Machine, str]) -> None:
    for host, text in files.items():
        host.write(DEFINITION, text, "0600")


@contextlib.contextmanager
def defined_anew(pair: Pair) -> Iterator[None]:
    """With virsh alone: undefined where it runs, another one everywhere else."""
    guest = pair.target.guest
    others = [host for host in pair.lab.hosts if host != pair.lab.hosts[1]]
    for host in pair.lab.hosts:
        host.must(["virsh", "-q", "undefine", guest.name])
    for host in others:
        host.write(ANEW, guest.xml().replace(guest.uuid, OTHER.uuid))
        host.must(["virsh", "-q", "define", ANEW])
    try:
        yield
    finally:
        for host in others:
            host.must(["virsh", "-q", "undefine", guest.name])
        for host in pair.lab.hosts:
            host.must(["virsh", "-q", "define", f"{IMAGES}/{guest.name}.xml"])


@contextlib.contextmanager
def forgotten(pair: Pair, replacements: dict[str, str]) -> Iterator[None]:
    """Edited, and where it runs the record of its life is gone."""
    with edited(pair.lab.hosts, replacements):
        record = f"{settings.RUN_DIR}/domains/{pair.target.resource}"
        pair.lab.hosts[1].must(["rm", record])
        yield


@contextlib.contextmanager
def unmonitored(pair: Pair) -> Iterator[None]:
    """No monitor writes that record anew, or takes what the definition says for the guest."""
    pair.target.set_operation("monitor-10s", enabled="false")
    pair.lab.cluster.wait_idle()
    try:
        yield
    finally:
        pair.target.set_operation("monitor-10s", enabled="true")


def other_uuid(pair: Pair) -> dict[str, str]:
    return {pair.target.guest.uuid: OTHER.uuid}


def other_name(pair: Pair) -> dict[str, str]:
    name = pair.target.guest.name
    return {f"<name>{name}</name>": f"<name>{OTHER.name}</name>"}


CHANGES = (
    Change("uuid edited", lambda pair: edited(pair.lab.hosts, other_uuid(pair))),
    Change("undefined and defined anew", defined_anew),
    Change(
        "lost where it runs",
        lambda pair: lost(pair.lab.hosts[1]),
        is_ok=None,
        tokens=(OF_2011, SEALED),
    ),
    Change(
        "lost on the requester's host",
        lambda pair: lost(pair.lab.hosts[0]),
        is_ok=None,
        tokens=(OF_2011,),
    ),
    Change(
        "lost on the requester's host",
        lambda pair: lost(pair.lab.hosts[0]),
        is_ok=True,
        tokens=(SEALED,),
    ),
    Change(
        "uuid edited, life forgotten",
        lambda pair: forgotten(pair, other_uuid(pair)),
        forgets=True,
    ),
    Change(
        "uuid and name edited, life forgotten",
        lambda pair: forgotten(pair, {**other_uuid(pair), **other_name(pair)}),
        forgets=True,
    ),
)
ROWS = [(change, kind) for change in CHANGES for kind in change.tokens]


@pytest.mark.parametrize(
    ("change", "kind"), ROWS, ids=[f"{change.name}, {kind}" for change, kind in ROWS]
)
def test_no_definition_hides_a_life(
    pair: Pair, change: Change, kind: str, record_property: Callable[[str, object], None]
) -> None:
    target = pair.target
    boot = pair.place(pair.lab.hosts[1])
    boots = pair.requester.counter.boots()
    timeout_s = REQUEST_S if change.is_ok else behind.SHORT_S
    quiet = unmonitored(pair) if change.forgets else contextlib.nullcontext()
    with Lives(pair.lab.guests, target.guest) as lives, behind.keyed(pair), quiet:
        token = behind.token(pair, SEALED if kind == SEALED_SINCE else kind)
        with behind.another_stop(pair), change.made(pair):
            stale = behind.token(pair, SEALED) if kind == SEALED_SINCE else token
            told = behind.reset(pair, stale, lives, timeout_s)
            answered = told.answered
            record_property("fence", (f"{change.name}, {kind}", told.text, answered.took_s))
            assert told.overlooked == ()
            assert change.is_ok in (None, answered.is_ok), behind.reason(pair, answered)
            if not answered.is_ok:
                assert matches(behind.DIFFERS, behind.reason(pair, answered))
        if not answered.is_ok:
            # Where a ban was written Pacemaker stops the guest by it, and starts it again.
            pair.lab.cluster.wait_running(target.resource, timeout_s=BACK_S)
            assert pair.leftovers("Started", boots) == []
            assert pair.answer("reset", token=token).is_ok
        pair.returned(boot)
    assert pair.leftovers("Started", boots) == []
