# SPDX-License-Identifier: GPL-2.0-or-later
"""Appendix A of the slides of 2011: how hosts are fenced, and what has changed in it.

appendix_a.crm has it as printed, its pages put together.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.lab.slides.deviation import BACKSLASHES, Deviation, changed, printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The order that `priority` gave in 2011; today's fencer does not know the word.
TOPOLOGY = r"""
fencing_topology \
  host1: helper-host1 ipmi-host1 meatware-host1 \
  host2: helper-host2 ipmi-host2 meatware-host2
"""


class Addresses(NamedTuple):
    """What the slides leave to the reader: the addresses of a host, and that of its BMC."""

    host: str
    bmc: str


# Those of the document.
EXAMPLE = {
    "host1": Addresses("192.0.2.1 198.51.100.1", "198.51.100.101"),
    "host2": Addresses("192.0.2.2 198.51.100.2", "198.51.100.102"),
}

DEVIATIONS = [
    BACKSLASHES,
    Deviation(
        "a line of nothing but a backslash says nothing",
        r"\n  \\(?=\n)",
        "",
    ),
    Deviation(
        "today's fencer does not know the word, and asks levels of fencing_topology in their order",
        r'    priority="\d" \\\n',
        "",
    ),
    Deviation(
        "today's fencer does not know the word, and has one for each action",
        r"stonith-timeout=",
        "pcmk_reboot_timeout=",
    ),
    Deviation(
        "today's fencer asks a device that said no twice, and the helper always says no",
        r"(stonith-helper \\\n  params \\\n)",
        r'\1    pcmk_reboot_retries="1" \\\n',
    ),
    Deviation(
        "external/ipmi is for one host and knows it by another word",
        r"(external/ipmi \\\n  params \\\n.*\n    )hostlist=",
        r"\1hostname=",
    ),
]


def deviations(addresses: Mapping[str, Addresses]) -> list[Deviation]:
    """All of them; the addresses by host."""
    found = list(DEVIATIONS)
    for host, one in addresses.items():
        reason = "the slides leave the addresses to the reader"
        helper = rf'(hostlist="{host}" \\\n    dead_check_target=)"[^"]*"'
        bmc = rf'(hostname="{host}" \\\n    ipaddr=)"[^"]*"'
        found.append(Deviation(reason, helper, rf'\g<1>"{one.host}"'))
        found.append(Deviation(reason, bmc, rf'\g<1>"{one.bmc}"'))
    return found


def today(addresses: Mapping[str, Addresses]) -> str:
    """What is to be loaded by crmsh."""
    return changed(printed("appendix_a.crm"), deviations(addresses)) + TOPOLOGY
