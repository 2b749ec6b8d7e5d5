# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonithd reads in its own process what this machine's openssl makes, and as openssl does."""

from __future__ import annotations

import pytest

from daemons.vm_stonithd.intake.grant import Grant
from daemons.vm_stonithd.intake.legacy_tokens import Decoder
from pmkvm.run import run

NAMES = ["g", "guest12", "prmVMCTL_guest1", "prmVMCTL_" + "long-name.of_a-guest" * 5]


def token(name: str, *options: str) -> str:
    return run(["openssl", *options, "-e", "-k", "vmstonith"], timeout_s=60, stdin=f"{name}\n").out


@pytest.mark.parametrize("cipher", ["des-ede3", "des-ede3-cbc", "des3"])
@pytest.mark.parametrize("digest", [[], ["-md", "md5"], ["-md", "sha256"]])
@pytest.mark.parametrize("base64", [["-base64"], ["-a", "-A"]])
@pytest.mark.parametrize("name", NAMES)
def test_openssls_tokens_are_read_without_it(
    cipher: str, digest: list[str], base64: list[str], name: str
) -> None:
    decoder = Decoder(f"openssl {cipher} -d -base64 -k vmstonith", is_on_stdin=True)
    assert not decoder.may_wait
    assert decoder.read(token(name, cipher, *digest, *base64)) == Grant(name)


@pytest.mark.parametrize("name", NAMES)
def test_another_cipher_is_openssls_own_affair(name: str) -> None:
    cipher = ["aes-256-cbc", "-pbkdf2"]
    decoder = Decoder(f"openssl {' '.join(cipher)} -d -a -A -k vmstonith", is_on_stdin=True)
    assert decoder.may_wait
    assert decoder.read(token(name, *cipher, "-a")) == Grant(name)
