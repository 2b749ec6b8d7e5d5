# SPDX-License-Identifier: GPL-2.0-or-later
"""2011's tokens: the slides' own, real openssl's, and what a hostile guest may send.

All but the first tests need cryptography, as vm-stonithd does.
"""

from __future__ import annotations

import base64
import random
import shlex
import sys
from typing import TYPE_CHECKING

import pytest

from daemons.vm_stonithd.intake import triple_des
from daemons.vm_stonithd.intake.grant import Grant, TokenError, TokenOptionError, resource_id
from daemons.vm_stonithd.intake.legacy_tokens import Decoder

if TYPE_CHECKING:
    from pathlib import Path

PASSPHRASE = "vmstonith"
SLIDES = f"openssl des-ede3 -d -base64 -k {PASSPHRASE}"

# echo prmVMCTL_guest1 | openssl CIPHER -e -base64 -k vmstonith -md DIGEST, of OpenSSL 3.0.19.
ECB_MD5 = "U2FsdGVkX1/np+ufQEZswWVy2jicZEbALptnPnY5ZCF1HDnwHWmwWQ=="
ECB_SHA256 = "U2FsdGVkX1/sS6INymRfuVvsN+N+67YMprSZ8qSiRUnsRyJTHB7AsQ=="
CBC_MD5 = "U2FsdGVkX1/L206hwheTpR9r2aya3QSy35aQCuOXVTlmdnMfl21SlA=="
CBC_SHA256 = "U2FsdGVkX1+bYmu5QW5bTLQ3nH6Sj8NQZfydoI6btUcNG66mWNysVg=="
LONG_NAME = "prmVMCTL_a_rather_long_name_of_a_guest_that_makes_two_lines_of_base64"
LONG_SHA256 = """\
U2FsdGVkX1/aEp7aTFIQQ9fck4o/fQpLtpbECrvK0rJ3oN9VCqLrfqzrLKZEl3NF
Mk0MGDoI1IKyxSQGqMXhSzqZWZRP18/+OTTE1aMdT2eQWwl+c10D+g==
"""
# As the slides print them: one is sound, the others lost or changed a letter on their way there.
SLIDES_GUEST2 = "U2FsdGVkX19OO1zVKCGneLBCaGTaGLZ7gLQiNnpLxRAcmJUOjnZrYg=="
SLIDES_DAMAGED = (
    "U2FsdGVkX1/0NmOPdK77shIGkagLA5RdgVghb7MdCdaggiLLrS01Fw==",
    "U2FsdGVkX18Gh0VsgX6ze9TaOkigwXAYX3weRM8q2HFG+ppSGNhUqg==",
    "U2FsdGVkX19OO1zVKCGneLBCaGTaGLZ7gLQINnpLxRAcmJUOjnZrYg==",
)


def command(code: str) -> str:
    """Some other command of an administrator's: a program in Python."""
    return shlex.join([sys.executable, "-IS", "-c", f"import sys\n{code}"])


# --- which commands are done in this process; pure


@pytest.mark.parametrize(
    ("command_line", "is_cbc", "digests"),
    [
        (SLIDES, False, ("md5", "sha256")),
        ("/usr/bin/openssl des-ede3 -k vmstonith -a -d", False, ("md5", "sha256")),
        ("openssl enc -des-ede3 -d -base64 -A -k vmstonith", False, ("md5", "sha256")),
        ("openssl enc -d -a -des-ede3-cbc -pass pass:vmstonith", True, ("md5", "sha256")),
        ("openssl des3 -d -a -md sha256 -k vmstonith", True, ("sha256",)),
        ("openssl des-ede3 -md MD5 -d -a -salt -k vmstonith", False, ("md5",)),
        ("openssl enc -des-ede3-ecb -d -a -k 'vmstonith'", False, ("md5", "sha256")),
    ],
)
def test_the_slides_form_of_openssl_is_known(
    command_line: str, is_cbc: bool, digests: tuple[str, ...]
) -> None:
    form = triple_des.parse(shlex.split(command_line))
    assert form == triple_des.Form(PASSPHRASE.encode(), is_cbc, digests)


@pytest.mark.parametrize(
    "command_line",
    [
        "decrypt",
        "openssl",
        "openssl des-ede3 -d -base64",
        "openssl des-ede3 -base64 -k x",
        "openssl des-ede3 -d -k x",
        "openssl des-ede3 -d -a -k",
        "openssl des-ede3 -d -a -pbkdf2 -k x",
        "openssl des-ede3 -d -a -iter 5 -k x",
        "openssl des-ede3 -d -a -nosalt -k x",
        "openssl des-ede3 -d -a -md sha512 -k x",
        "openssl des-ede3 -d -a -pass file:/etc/key",
        "openssl des-ede3 -d -a -pass pass:x -k x",
        "openssl des-ede3 des3 -d -a -k x",
        "openssl aes-256-cbc -d -a -k x",
        "openssl des -d -a -k x",
    ],
)
def test_every_other_command_is_its_own_affair(command_line: str) -> None:
    assert triple_des.parse(shlex.split(command_line)) is None


@pytest.mark.parametrize(
    ("output", "name"),
    [
        (b"prmVMCTL_g1\n", "prmVMCTL_g1"),
        (b"a.b-c", "a.b-c"),
        (b"_x\r\n", "_x"),
        (b"a" * 255, "a" * 255),
    ],
)
def test_a_line_that_is_an_id(output: bytes, name: str) -> None:
    assert resource_id(output) == name


@pytest.mark.parametrize(
    "output",
    [
        b"",
        b"\n",
        b"a\n\n",
        b"a\nb\n",
        b"a b",
        b"1a",
        b"-a",
        b".a",
        b"a'",
        b'a"or"',
        b"a/b",
        b"a:b",
        b"a\0",
        b"a\x1b[0m",
        "pr\u00fcfung".encode(),
        b"\xff",
        b"a" * 256,
    ],
)
def test_a_text_that_is_no_id_is_refused_and_not_told(output: bytes) -> None:
    with pytest.raises(TokenError, match=r"^the token decrypts to no resource id$"):
        resource_id(output)


# --- tokens of openssl's


@pytest.mark.parametrize(
    ("command_line", "token", "name"),
    [
        (SLIDES, SLIDES_GUEST2, "prmVMCTL_guest2"),
        (SLIDES, ECB_MD5, "prmVMCTL_guest1"),
        (SLIDES, ECB_SHA256, "prmVMCTL_guest1"),
        (f"{SLIDES} -md md5", ECB_MD5, "prmVMCTL_guest1"),
        (f"{SLIDES} -md sha256", ECB_SHA256, "prmVMCTL_guest1"),
        (SLIDES.replace("ede3", "ede3-cbc"), CBC_MD5, "prmVMCTL_guest1"),
        (SLIDES.replace("des-ede3", "des3"), CBC_SHA256, "prmVMCTL_guest1"),
        (SLIDES, LONG_SHA256, LONG_NAME),
        (SLIDES, LONG_SHA256.replace("\n", " "), LONG_NAME),
        (SLIDES, LONG_SHA256.replace("\n", ""), LONG_NAME),
    ],
)
def test_a_token_of_openssl_is_read_without_a_process(
    command_line: str, token: str, name: str
) -> None:
    for is_on_stdin in (True, False):
        decoder = Decoder(command_line, is_on_stdin=is_on_stdin)
        assert decoder.read(token) == Grant(name, uuid=None, requesters=None, operations=None)
        assert not decoder.may_wait


def changed(token: str, position: int) -> str:
    raw = bytearray(base64.b64decode(token))
    raw[position] ^= 1
    return base64.b64encode(raw).decode()


HOSTILE = [
    "",
    " ",
    "`id`",
    "$(id)",
    "$(touch${IFS}/tmp/owned)",
    '"; id; "',
    "U2FsdGVkX1$(id)==",
    "-in",
    "--help",
    "/etc/shadow",
    "prmVMCTL_guest1",
    "cHJtVk1DVExfZ3Vlc3QxCg==",
    "A" * 4096,
    "A" * 100_000,
    "\0",
    "U2FsdGVkX1",
    "U2FsdGVkX18=",
    "U2FsdGVkX1/np+ufQEZswQ==",
    ECB_MD5[:-4],
    ECB_MD5[:-1],
    ECB_MD5 + "=",
    ECB_MD5 + ECB_MD5,
    ECB_MD5.lower(),
    ECB_MD5.replace("/", "_").replace("+", "-"),
    ECB_MD5.replace("U", "\uff35", 1),
    *SLIDES_DAMAGED,
]


@pytest.mark.parametrize("token", HOSTILE)
def test_a_hostile_or_damaged_token_is_refused_in_one_plain_line(token: str) -> None:
    with pytest.raises(TokenError) as caught:
        Decoder(SLIDES, is_on_stdin=True).read(token)
    assert str(caught.value).isprintable()
    assert PASSPHRASE not in str(caught.value)
    assert len(str(caught.value)) < 100


@pytest.mark.parametrize("token", [ECB_MD5, ECB_SHA256])
@pytest.mark.parametrize("position", range(40))
def test_one_changed_bit_anywhere_is_refused(token: str, position: int) -> None:
    with pytest.raises(TokenError):
        Decoder(SLIDES).read(changed(token, position))


def test_garbage_is_not_taken_for_an_id() -> None:
    generator = random.Random(2011)
    decoder = Decoder(SLIDES)
    for _ in range(2000):
        raw = b"Salted__" + generator.randbytes(8 + 8 * generator.randint(1, 4))
        with pytest.raises(TokenError):
            decoder.read(base64.b64encode(raw).decode())


@pytest.mark.parametrize(
    "command_line", [SLIDES.replace("vmstonith", "other"), f"{SLIDES} -md sha256"]
)
def test_another_key_or_digest_does_not_fit(command_line: str) -> None:
    with pytest.raises(TokenError, match="damaged, or of another key"):
        Decoder(command_line).read(ECB_MD5)


def test_a_token_that_fits_twice_is_an_error_that_says_so() -> None:
    form = triple_des.Form(PASSPHRASE.encode(), is_cbc=False, digests=("md5", "md5"))
    with pytest.raises(TokenError, match="say which by -md"):
        triple_des.decrypt(form, ECB_MD5)


def test_nothing_shows_the_passphrase() -> None:
    form = triple_des.parse(shlex.split(SLIDES))
    shown = [repr(form), str(form), repr(Decoder(SLIDES))]
    assert not any(PASSPHRASE in text for text in shown)


# --- other commands


@pytest.mark.parametrize("is_on_stdin", [True, False])
def test_another_command_gets_the_token_without_an_abandoned_create(is_on_stdin: bool) -> None:
    source = "sys.stdin.read()" if is_on_stdin else "sys.argv[1] + '\\n'"
    code = f"import base64\nprint(base64.b64decode({source}).decode())"
    decoder = Decoder(command(code), is_on_stdin=is_on_stdin)
    assert decoder.read("cHJtVk1DVExf\nZ3Vlc3Qx") == Grant("prmVMCTL_guest1")
    assert decoder.may_wait


def test_what_a_shell_would_run_stays_text(tmp_path: Path) -> None:
    mark = tmp_path / "owned"
    decoder = Decoder(command("print('got_' + str(len(sys.stdin.read())))"), is_on_stdin=True)
    token = f"`touch${{IFS}}{mark}`$(touch${{IFS}}{mark})"
    assert decoder.read(token) == Grant(f"got_{len(token) + 1}")
    assert not mark.exists()


@pytest.mark.parametrize("token", ["", "-h", "--help", "$(id)", "`id`", "a;b", "a=b", "\uff21"])
def test_only_base64_becomes_an_argument_of_a_command(tmp_path: Path, token: str) -> None:
    mark = tmp_path / "ran"
    decoder = Decoder(command(f"open({str(mark)!r}, 'w')\nprint('g')"))
    with pytest.raises(TokenError, match="not base64"):
        decoder.read(token)
    assert not mark.exists()


@pytest.mark.parametrize("token", ["", " \n", "a\0b", "a\x1bb", "\uff21"])
def test_no_control_characters_reach_a_command(token: str) -> None:
    with pytest.raises(TokenError, match="no printable text"):
        Decoder(command("print('g')"), is_on_stdin=True).read(token)


@pytest.mark.parametrize(
    ("code", "success", "complaint"),
    [
        ("sys.exit(1)", 0, "ended with 1, not 0"),
        ("print('g')", 3, "ended with 0, not 3"),
        ("print('two words')", 0, "no resource id"),
        ("print('a')\nprint('b')", 0, "no resource id"),
        ("sys.stdout.buffer.write(bytes([0xff, 0xfe]))", 0, "no resource id"),
        ("pass", 0, "no resource id"),
        ("sys.exit('the passphrase is vmstonith')", 0, "ended with 1"),
    ],
)
def test_a_command_that_fails_or_says_nonsense(code: str, success: int, complaint: str) -> None:
    with pytest.raises(TokenError, match=complaint) as caught:
        Decoder(command(code), is_on_stdin=True, success=success).read("abcd")
    assert PASSPHRASE not in str(caught.value)


def test_the_exit_code_of_success_can_be_another() -> None:
    decoder = Decoder(command("print('g1')\nsys.exit(3)"), is_on_stdin=True, success=3)
    assert decoder.read("abcd") == Grant("g1")


def test_a_command_sees_nothing_of_the_daemons_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SECRET", "x")
    code = "import os\nprint('SECRET' in os.environ)"
    assert Decoder(command(code), is_on_stdin=True).read("abcd") == Grant("False")


def test_a_command_that_is_not_there() -> None:
    with pytest.raises(TokenError, match="fails: /nonexistent is not installed"):
        Decoder("/nonexistent -k vmstonith", is_on_stdin=True).read("abcd")


@pytest.mark.parametrize(
    ("command_line", "success"),
    [("", 0), ("  ", 0), ("openssl 'vmstonith", 0), ("x", 256), ("x", -1)],
)
def test_options_that_cannot_be_used(command_line: str, success: int) -> None:
    with pytest.raises(TokenOptionError) as caught:
        Decoder(command_line, success=success)
    assert PASSPHRASE not in str(caught.value)
