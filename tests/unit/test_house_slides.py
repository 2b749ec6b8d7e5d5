# SPDX-License-Identifier: GPL-2.0-or-later
"""The texts to paste of doc/from-2011.md are those of the slides, but for what is named."""

from __future__ import annotations

import re

import pytest

from tests import tree
from tests.lab.guests.guests import CHANNEL
from tests.lab.slides import section_four
from tests.lab.slides.deviation import BACKSLASHES, Deviation, changed, printed

PAGE = (tree.ROOT / "doc" / "from-2011.md").read_text(encoding="utf-8")
FOLDER = tree.ROOT / "tests" / "lab" / "slides"


def block(beginning: str) -> str:
    found: list[str] = re.findall(r"^```\w*\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    (one,) = [each for each in found if each.startswith(beginning)]
    return one


def squeezed(xml: str) -> str:
    return "".join(xml.split())


def test_ping_and_diskd() -> None:
    assert block("primitive pingCheck") == section_four.watches()


def test_the_guests_ping_is_that_of_the_hosts_under_another_name() -> None:
    renamed = printed("pingd.crm").replace("clnPingd", "clnPingCheck")
    assert printed("guest_pingd.crm") == renamed


def test_the_daemons() -> None:
    documented = section_four.daemons(section_four.DAEMONS_DOCUMENTED)
    assert block("primitive prmVmConnectd") == documented


def test_the_options_of_2011_are_on_the_page() -> None:
    (options,) = re.findall(r'cmdline_options="-c .*"', printed("vm_stonithd.crm"))
    assert options in PAGE


def test_the_channel_of_the_page_and_of_the_labs_guests() -> None:
    documented = squeezed(changed(printed("channel.xml"), section_four.CHANNEL_DOCUMENTED))
    assert squeezed(block("<channel")) == documented
    assert squeezed(CHANNEL) == documented


@pytest.mark.parametrize("name", sorted(one.name for one in FOLDER.glob("*.crm")))
def test_nobody_has_repaired_a_printed_text(name: str) -> None:
    """Each has the backslash that crmsh misreads."""
    assert changed(printed(name), [BACKSLASHES]) != printed(name)


def test_a_change_that_finds_no_place_is_an_error() -> None:
    with pytest.raises(ValueError, match="not in the printed text: nowhere"):
        changed("a\n", [Deviation("why", "nowhere", "")])
