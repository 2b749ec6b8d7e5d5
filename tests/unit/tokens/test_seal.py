# SPDX-License-Identifier: GPL-2.0-or-later
"""Sealed tokens: open as they were sealed, in no other way, and fit where they are pasted."""

from __future__ import annotations

import base64
import json

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from hypothesis import given
from hypothesis import strategies as st

from pmkvm.tokens import ring, seal
from pmkvm.tokens.ring import Ring, State
from pmkvm.tokens.seal import Content, SealError
from stonith.plugin import parameters

UUIDS = ("1f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c10", "2f0c2b6e-5d5e-4c1b-9a53-0f8d7a3b9c11")
CONTENT = Content("hosts", "prmVMCTL_guest2", UUIDS[1], UUIDS, ("off", "reset"))
KEY = ring.new_key(State.SEALS, bytes(range(32)))
OTHER = ring.new_key(State.OLD, bytes(range(1, 33)))
RING = Ring((OTHER, KEY))
TOKEN = seal.seal(CONTENT, KEY)


def refusal(token: str, keys: Ring = RING) -> str:
    with pytest.raises(SealError) as caught:
        seal.unseal(token, keys)
    return str(caught.value)


def test_opens_as_it_was_sealed() -> None:
    assert seal.unseal(TOKEN, RING) == (KEY.id, CONTENT)


def test_two_tokens_of_one_content_differ() -> None:
    assert seal.seal(CONTENT, KEY) != TOKEN


def test_it_is_aes_256_gcm_with_the_head_sealed() -> None:
    """Against the library itself, so that another release can open it."""
    token = seal.seal(CONTENT, KEY, bytes(12))
    head, body = token[: token.rindex(".") + 1], token.rpartition(".")[2]
    data = base64.urlsafe_b64decode(body + "=" * (-len(body) % 4))
    assert data[:12] == bytes(12)
    plain = AESGCM(KEY.secret).decrypt(bytes(12), data[12:], head.encode())
    assert json.loads(plain) == [list(e) if isinstance(e, tuple) else e for e in CONTENT]


def test_each_trouble_has_its_own_words() -> None:
    stranger = ring.new_key(State.SEALS, bytes(32))
    body = TOKEN.rpartition(".")[2]
    altered = TOKEN.replace(body, body[:-3] + ("AA" if body[-3:-1] != "AA" else "BB") + body[-1])
    said = [
        refusal(seal.seal(CONTENT, stranger)),
        refusal(TOKEN[:-5]),
        refusal(altered),
        refusal("U2FsdGVkX1/0NmOPdK77"),
        refusal(f"{TOKEN}{'A' * 4096}"),
    ]
    assert f"key {stranger.id}, which this host does not have" in said[0]
    assert "it was cut" in said[1]
    assert said[2] == "the token was altered"
    assert "its form is not" in said[3]
    assert "its form is not" in said[4]
    assert not any(body[:20] in text for text in said)


@pytest.mark.parametrize("position", range(len(TOKEN)))
def test_no_character_can_be_changed(position: int) -> None:
    for letter in ("A", "z", "-", ".", "0", "=", " "):
        if TOKEN[position] != letter:
            refusal(TOKEN[:position] + letter + TOKEN[position + 1 :])


def test_a_key_of_the_same_id_is_not_enough() -> None:
    forged = KEY._replace(secret=OTHER.secret)
    assert refusal(TOKEN, Ring((forged,))) == "the token was altered"


def test_what_a_later_release_adds_is_not_passed_over() -> None:
    nonce = bytes(12)
    plain = json.dumps([*CONTENT, "only on Sundays"]).encode()
    length = -(-(len(plain) + 28) * 4 // 3)
    head = f"v2.{KEY.id}.{length}."
    body = nonce + AESGCM(KEY.secret).encrypt(nonce, plain, head.encode())
    token = head + base64.urlsafe_b64encode(body).decode().rstrip("=")
    assert refusal(token) == "the token is of a later release"


def test_a_cluster_may_be_large_and_not_too_large() -> None:
    big = CONTENT._replace(requesters=UUIDS * 35)
    token = seal.seal(big, KEY)
    assert seal.unseal(token, RING).content == big
    with pytest.raises(SealError, match="4096 at most"):
        seal.seal(CONTENT._replace(requesters=UUIDS * 60), KEY)


@given(st.text(max_size=30), st.binary(min_size=12, max_size=12))
def test_a_token_is_one_word_wherever_it_is_pasted(name: str, nonce: bytes) -> None:
    token = seal.seal(CONTENT._replace(cluster=name), KEY, nonce)
    assert not set(token) & set("=,;: \"'\\$&#\n")
    values = {"hostlist": f"guest1:{token} guest2:{token}"}
    device = parameters.device(values)
    assert [entry.token for entry in device.entries] == [token, token]
    assert seal.unseal(token, RING).content.cluster == name


@given(st.text(max_size=60) | st.from_regex(r"v2\.[0-9a-f]{8}\.[0-9]{1,4}\.[A-Za-z0-9_-]*"))
def test_whatever_a_guest_sends_is_refused_in_one_line(token: str) -> None:
    assert refusal(token).isprintable()
