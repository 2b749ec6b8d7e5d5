# SPDX-License-Identifier: GPL-2.0-or-later
"""Appendix B of the slides of 2011: how guests fence each other, and what has changed in it."""

from __future__ import annotations

from tests.lab.slides.deviation import Deviation, changed

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Mapping

# As printed, for both guests, but for the backslash behind each primitive's last line and between
# the groups: there crmsh takes what follows for more of the same line.
PRINTED = r"""
primitive helper-guest1 stonith:external/stonith-helper \
  params \
    priority="1" \
    stonith-timeout="40" \
    hostlist="guest1" \
    dead_check_target="192.168.xxx.xxx 192.168.yyy.xxx" \
    standby_check_command="/usr/sbin/crm_resource -r guest_resource1 -W | grep -q `hostname`" \
  op start interval="0s" timeout="60s" \
  op monitor interval="10s" timeout="60s" \
  op stop interval="0s" timeout="60s"
primitive helper-guest2 stonith:external/stonith-helper \
  params \
    priority="1" \
    stonith-timeout="40" \
    hostlist="guest2" \
    dead_check_target="192.168.xxx.zzz 192.168.yyy.zzz" \
    standby_check_command="/usr/sbin/crm_resource -r guest_resource1 -W | grep -q `hostname`" \
  op start interval="0s" timeout="60s" \
  op monitor interval="10s" timeout="60s" \
  op stop interval="0s" timeout="60s"
primitive vm-stonith-guest1 stonith:external/vm-stonith \
  params \
    priority="2" \
    stonith-timeout="30s" \
    hostlist="guest1:U2FsdGVkX1/0NmOPdK77shIGkagLA5RdgVghb7MdCdaggiLLrS01Fw==" \
  op start interval="0s" timeout="60s" \
  op monitor interval="3600s" timeout="60s" \
  op stop interval="0s" timeout="60s"
primitive vm-stonith-guest2 stonith:external/vm-stonith \
  params \
    priority="2" \
    stonith-timeout="30s" \
    hostlist="guest2:U2FsdGVkX19OO1zVKCGneLBCaGTaGLZ7gLQiNnpLxRAcmJUOjnZrYg==" \
  op start interval="0s" timeout="60s" \
  op monitor interval="3600s" timeout="60s" \
  op stop interval="0s" timeout="60s"
primitive meatware-guest1 stonith:meatware \
  params \
    priority="3" \
    stonith-timeout="600" \
    hostlist="guest1" \
  op start interval="0s" timeout="60s" \
  op monitor interval="3600s" timeout="60s" \
  op stop interval="0s" timeout="60s"
primitive meatware-guest2 stonith:meatware \
  params \
    priority="3" \
    stonith-timeout="600" \
    hostlist="guest2" \
  op start interval="0s" timeout="60s" \
  op monitor interval="3600s" timeout="60s" \
  op stop interval="0s" timeout="60s"
group stonith-guest1 helper-guest1 vm-stonith-guest1 meatware-guest1
group stonith-guest2 helper-guest2 vm-stonith-guest2 meatware-guest2
location rsc_location-stonith-guest1 stonith-guest1 \
  rule $id="rsc_location-stonith-guest1-rule" -inf: #uname eq guest1
location rsc_location-stonith-guest2 stonith-guest2 \
  rule $id="rsc_location-stonith-guest2-rule" -inf: #uname eq guest2
"""

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
    return changed(PRINTED, changes) + TOPOLOGY
