# SPDX-License-Identifier: GPL-2.0-or-later
"""The key file followed by vm-stonithd, and which token is opened by what."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.intake.grant import Grant, TokenError
from daemons.vm_stonithd.intake.key_file import Keys
from daemons.vm_stonithd.intake.legacy_tokens import Decoder
from daemons.vm_stonithd.intake.token_readers import Readers
from pmkvm.tokens import ring, seal
from pmkvm.tokens.key_report import KeyReport
from pmkvm.tokens.ring import Ring, State
from pmkvm.tokens.seal import Content

if TYPE_CHECKING:
    from pathlib import Path

ME, TARGET = "1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10", "2f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c11"
CONTENT = Content("hosts", "prmVMCTL_guest2", TARGET, (ME, TARGET), ("off", "reset"))
KEY = ring.new_key(State.SEALS, bytes(range(32)))
NOW = 1_795_370_042


@pytest.fixture
def path(tmp_path: Path) -> str:
    made = str(tmp_path / "stonith.key")
    ring.store(made, Ring((KEY,)))
    return made


def test_opens_and_remembers_the_use_coarsely(path: str) -> None:
    keys = Keys(path, lambda: NOW)
    assert keys.reports == (KeyReport(KEY.id, NOW, 0),)
    grant = keys.open(seal.seal(CONTENT, KEY))
    both, operations = frozenset({ME, TARGET}), frozenset({"off", "reset"})
    assert grant == Grant("prmVMCTL_guest2", TARGET, both, operations, "hosts", KEY.id)
    assert keys.reports == (KeyReport(KEY.id, NOW, NOW // 600 * 600),)


def test_a_replaced_file_is_loaded_anew(path: str) -> None:
    keys = Keys(path)
    new = ring.new_key(State.NEW)
    with pytest.raises(TokenError, match="which this host does not have"):
        keys.open(seal.seal(CONTENT, new))
    ring.store(path, Ring((KEY, new)))
    assert keys.open(seal.seal(CONTENT, new)).key_id == new.id
    assert [each.id for each in keys.reports] == [KEY.id, new.id]


def test_a_file_that_was_made_later_is_found(tmp_path: Path) -> None:
    path = str(tmp_path / "stonith.key")
    keys = Keys(path)
    assert (keys.is_missing, keys.reports) == (True, ())
    with pytest.raises(TokenError, match="no key to open the token with"):
        keys.open("t")
    ring.store(path, Ring((KEY,)))
    keys.look()
    assert (keys.is_missing, keys.complaint) == (False, "")


def test_a_file_with_a_wrong_mode_is_an_error_at_the_start_and_no_trouble_later(path: str) -> None:
    running = Keys(path)
    os.chmod(path, 0o644)
    starting = Keys(path)
    assert "has mode 0644, allowed is 0600" in starting.complaint
    assert not Readers(starting).can_read
    with pytest.raises(TokenError, match="no key to open"):
        starting.open(seal.seal(CONTENT, KEY))
    assert running.open(seal.seal(CONTENT, KEY)).key_id == KEY.id
    assert "0644" in running.complaint
    assert Readers(running).complaints


def test_tokens_of_2011_only_where_asked_for(path: str, tmp_path: Path) -> None:
    old = Decoder("/bin/cat", is_on_stdin=True)
    keys = Keys(path)
    with pytest.raises(TokenError, match="-c is not given"):
        Readers(keys).read("prmVMCTL_guest2")
    both = Readers(keys, old)
    assert both.read("prmVMCTL_guest2") == Grant("prmVMCTL_guest2")
    assert both.read(seal.seal(CONTENT, KEY)).key_id == KEY.id
    none = Keys(str(tmp_path / "none"))
    assert Readers(none, old).complaints == []
    assert len(Readers(none, None, "-c is empty").complaints) == 1
    assert "and no -c is given" in Readers(none).complaints[0]


def test_a_sealed_token_never_goes_to_the_command_of_2011(path: str) -> None:
    stranger = ring.new_key(State.SEALS)
    readers = Readers(Keys(path), Decoder("/bin/cat", is_on_stdin=True))
    with pytest.raises(TokenError, match="does not have"):
        readers.read(seal.seal(CONTENT, stranger))
