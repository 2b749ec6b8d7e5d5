# SPDX-License-Identifier: GPL-2.0-or-later
"""external/vm-stonith, called as libstonith calls it: action, host, environment."""

from __future__ import annotations

import io
import xml.etree.ElementTree as ET
from typing import TYPE_CHECKING

import pytest

from pmkvm.run import Completed
from stonith.plugin import glue
from stonith.vm_stonith import external
from tests.unit.stonith.connectd import Connectd, one_is_bad

if TYPE_CHECKING:
    from pathlib import Path

TOKENS = {"guest1": "dG9rZW4x", "guest2": "dG9rZW4y"}
HOSTLIST = " ".join(f"{host}:{token}" for host, token in TOKENS.items())
# As appendix B of the slides has it.
SLIDES = {"hostlist": HOSTLIST, "priority": "2", "stonith-timeout": "30s"}


def plugin(*argv: str, **env: str) -> Completed:
    out, err = io.StringIO(), io.StringIO()
    quiet = {"HA_LOGFACILITY": "none", **env}
    rc = glue.run(external.PLUGIN, argv, quiet, out, err)
    return Completed(rc, out.getvalue(), err.getvalue())


@pytest.mark.parametrize("action", ["on", "off", "reset"])
@pytest.mark.parametrize("host", ["guest2", "GUEST2"])
def test_a_fence_is_the_word_of_2011_and_the_token(run_dir: Path, action: str, host: str) -> None:
    with Connectd(run_dir, lambda _: "OK") as connectd:
        assert plugin(action, host, **SLIDES) == Completed(0, "", "")
        assert connectd.bodies == [f"{action} {TOKENS['guest2']}"]


def test_a_refused_fence_fails_and_says_why(run_dir: Path) -> None:
    with Connectd(run_dir, lambda _: "NG not allowed"):
        assert plugin("reset", "guest2", **SLIDES) == Completed(
            1, "", "ERROR: reset of guest2: NG not allowed\n"
        )


def test_status_asks_for_every_token(run_dir: Path) -> None:
    with Connectd(run_dir, lambda _: "OK off") as connectd:
        assert plugin("status", **SLIDES) == Completed(0, "", "")
        assert connectd.bodies == [f"status {token}" for token in TOKENS.values()]
        assert len({sent.id for sent in connectd.requests}) == 2


def test_status_fails_by_one_bad_token_and_names_its_guest(run_dir: Path) -> None:
    with Connectd(run_dir, one_is_bad(TOKENS["guest1"])):
        ended = plugin("status", **SLIDES)
    assert (ended.rc, ended.err) == (1, "ERROR: status of guest1: NG bad token\n")


def test_status_without_a_channel_fails_in_its_time(run_dir: Path) -> None:
    ended = plugin("status", **SLIDES, timeout="0.2")
    assert ended.rc == 1
    assert ended.err.count("no answer from the host") == 2
    assert str(run_dir) in ended.err


def test_gethosts_needs_no_channel() -> None:
    assert plugin("gethosts", **SLIDES) == Completed(0, "guest1\nguest2\n", "")


@pytest.mark.parametrize("argv", [("reset", "guest3"), ("reset", ""), ("off",), ("on", "guest")])
def test_a_guest_that_is_not_in_hostlist_is_not_asked_for(argv: tuple[str, ...]) -> None:
    ended = plugin(*argv, **SLIDES)
    assert ended.rc == 1
    assert "there is no such guest in hostlist" in ended.err


@pytest.mark.parametrize("action", ["on", "off", "reset", "status", "gethosts"])
@pytest.mark.parametrize(
    "env", [{}, {"hostlist": HOSTLIST, "delimeter": " "}, {"hostlist": "dG9rZW4y"}]
)
def test_bad_parameters_are_exit_code_6(action: str, env: dict[str, str]) -> None:
    ended = plugin(action, "guest2", **env)
    assert ended.rc == 6
    assert ended.err.startswith("ERROR: ")
    assert "dG9rZW4y" not in ended.err


@pytest.mark.parametrize("argv", [(), ("",), ("monitor",), ("RESET", "guest2"), ("getinfo",)])
def test_an_unknown_action_is_exit_code_1(argv: tuple[str, ...]) -> None:
    assert plugin(*argv, **SLIDES).rc == 1


def test_what_it_says_of_itself_needs_no_parameters() -> None:
    assert plugin("getconfignames").out.split() == ["hostlist", "delimeter", "delimiter", "timeout"]
    for name in ("devid", "devname", "devdescr", "devurl"):
        ended = plugin(f"getinfo-{name}")
        assert ended.rc == 0
        assert ended.out.strip()
    root = ET.fromstring(plugin("getinfo-xml").out)
    assert root.tag == "parameters"
    found = {one.get("name"): one.get("required") for one in root.iter("parameter")}
    assert found == {"hostlist": "1", "delimeter": "0", "delimiter": "0", "timeout": "0"}
    for one in root.iter("parameter"):
        assert one.findtext("shortdesc")
        assert one.findtext("longdesc")
