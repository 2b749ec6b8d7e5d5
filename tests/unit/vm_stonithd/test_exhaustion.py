# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-stonithd makes of a host without descriptors or processes: it knows nothing then, and
takes that for no word about anybody."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

import pytest

from daemons.vm_stonithd.host import helper_processes, qemu_processes
from daemons.vm_stonithd.host.domain_uuids import DomainUuids
from daemons.vm_stonithd.host.qemu_processes import ProcessTable
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.legacy_tokens import Decoder
from pmkvm.errors import ExhaustedError
from pmkvm.pacemaker.parameter import Parameter
from pmkvm.tokens import ring, seal
from pmkvm.tokens.ring import Ring, State
from pmkvm.tokens.seal import Content
from tests.unit import exhaustion

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from tests.unit.virt.fake_qemu import FakeProcessTable

RESOURCE, UUID = "prmVMCTL_guest2", "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10"
DEFINITION = f"<domain type='kvm'><name>guest2</name><uuid>{UUID}</uuid></domain>"
TOO_MANY = "Too many open files"
T = TypeVar("T")


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "guest2.xml"
    path.write_text(DEFINITION, encoding="utf-8")
    return str(path)


def seen_with(room: int, look: Callable[[], T]) -> T | None:
    """With so many descriptors; None is an error that says that they were too few."""
    with exhaustion.no_descriptors(room):
        try:
            return look()
        except OSError as error:
            assert TOO_MANY in str(error)  # noqa: PT017 - with enough room there is none
            return None


@pytest.mark.parametrize("room", range(4))
def test_without_descriptors_a_look_is_an_error_and_not_an_empty_host(
    host: FakeProcessTable, config: str, room: int
) -> None:
    target = host.start_qemu("guest2", UUID)
    # Its directory and its modules are there.
    assert qemu_processes.look(ProcessTable(), RESOURCE, UUID, config).lives == (target.life,)
    before = exhaustion.descriptors()
    found = seen_with(room, lambda: qemu_processes.look(ProcessTable(), RESOURCE, UUID, config))
    assert found is None or (found.lives == (target.life,) and room > 0)
    assert exhaustion.descriptors() == before


def test_a_definition_that_could_not_be_read_is_read_again(config: str) -> None:
    known = DomainUuids(lambda: {RESOURCE: Parameter((config,))})
    with exhaustion.no_descriptors(), pytest.raises(OSError, match=TOO_MANY):
        known.uuid(RESOURCE)
    assert known.uuid(RESOURCE) == UUID


def test_a_token_whose_command_can_not_be_started_is_not_refused() -> None:
    reader = Decoder("/bin/cat", is_on_stdin=True)
    with exhaustion.no_threads(), pytest.raises(ExhaustedError):
        reader.read("prmVMCTL_guest2")
    assert reader.read("prmVMCTL_guest2").resource == RESOURCE


def test_a_key_file_that_could_not_be_read_is_read_again(tmp_path: Path) -> None:
    path = str(tmp_path / "stonith.key")
    old, new = ring.new_key(State.SEALS), ring.new_key(State.NEW)
    ring.store(path, Ring((old,)))
    keys = Keys(path)
    ring.store(path, Ring((old, new)))
    token = seal.seal(Content("hosts", RESOURCE, UUID, (UUID,), ("off",)), new)
    with exhaustion.no_descriptors():
        for look in (keys.look, lambda: keys.open(token)):
            with pytest.raises(ExhaustedError, match=TOO_MANY):
                look()
        assert keys.complaint == ""
    assert keys.open(token).key_id == new.id


def test_a_daemon_that_starts_without_descriptors_finds_its_keys_later(tmp_path: Path) -> None:
    path = str(tmp_path / "stonith.key")
    key = ring.new_key(State.SEALS)
    ring.store(path, Ring((key,)))
    with exhaustion.no_descriptors():
        keys = Keys(path)
    assert TOO_MANY in keys.complaint
    keys.look()
    assert (keys.complaint, [each.id for each in keys.reports]) == ("", [key.id])


@pytest.mark.parametrize("room", range(3))
def test_helpers_that_could_not_be_looked_for_are_not_none(
    host: FakeProcessTable, room: int
) -> None:
    qemu = host.start_qemu("/domain-13-guest2/", UUID)
    helper = host.start_other("virtiofsd")
    host.write_pid_file("13-guest2-fs0-virtiofsd", helper.pid)
    assert helper.life in helper_processes.of(qemu.life)
    found = seen_with(room, lambda: helper_processes.of(qemu.life))
    assert found is None or helper.life in found
