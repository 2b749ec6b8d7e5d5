# SPDX-License-Identifier: GPL-2.0-or-later
"""Appendix B of the slides of 2011: how guests fence each other, and what has changed in it.

appendix_b.crm has it as printed, its pages put together.
"""

from __future__ import annotations

from tests.lab.slides.deviation import BACKSLASHES, Deviation, changed, printed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# The order that `priority` gave in 2011; today's fencer does not know the word.
TOPOLOGY = r"""
fencing_topology \
  guest1: helper-guest1 vm-stonith-guest1 meatware-guest1 \
  guest2: helper-guest2 vm-stonith-guest2 meatware-guest2
"""


def deviations(
    addresses: Mapping[str, str], service: str, tokens: Mapping[str, str]
) -> list[Deviation]:
    """By guest: the address that the helper may look for, the token; service is a resource."""
    found = [
        BACKSLASHES,
        Deviation("the slides leave the resource to the reader", "guest_resource1", service),
        Deviation(
            "today's fencer asks each device's status before a fence if it is not told whom for",
            r"((?:helper|vm-stonith|meatware)-(\w+) stonith:\S+ \\\n  params \\\n)",
            r'\1    pcmk_host_list="\2" \\\n',
        ),
        Deviation(
            "today's fencer asks a device that said no twice, and the helper always says no",
            r'(priority="1" \\\n)',
            r'\1    pcmk_reboot_retries="1" \\\n',
        ),
        Deviation(
            "an emulated processor needs half of these ten seconds for one status",
            r'monitor interval="10s"',
            'monitor interval="60s"',
        ),
    ]
    for guest, address in addresses.items():
        found.append(
            Deviation(
                "the slides leave the addresses to the reader",
                rf'(hostlist="{guest}" \\\n    dead_check_target=)"[^"]*"',
                rf'\g<1>"{address}"',
            )
        )
    for guest, token in tokens.items():
        found.append(
            Deviation(
                "a sealed token is worthless in another guest; one of 2011 is not",
                rf'"{guest}:[^"]*"',
                f'"{guest}:{token}"',
            )
        )
    return found


def today(changes: list[Deviation]) -> str:
    """The printed text with these changes, and the levels."""
    return changed(printed("appendix_b.crm"), changes) + TOPOLOGY
