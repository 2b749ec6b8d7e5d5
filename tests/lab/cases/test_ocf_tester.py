# SPDX-License-Identifier: GPL-2.0-or-later
"""What resource-agents' own testers say of our agent, on a real guest."""

from __future__ import annotations

import re

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=2)

AGENT = "/usr/lib/ocf/resource.d/extra/VirtualDomain"
OCFT_CASES = "/usr/share/resource-agents/ocft/configs/VirtualDomain"
GIVEN = "CASE-BLOCK required_args"
# What ocf-tester says of an agent that has no such action; it calls all of them optional.
OPTIONAL = ("notify", "demote", "promote", "promotable", "reload")


def test_ocf_tester_passes_without_a_warning(
    new_guest: Callable[..., Guest], host1: Machine, is_full: bool
) -> None:
    config = f"config=/etc/libvirt/qemu/{new_guest('guest1').name}.xml"
    options = ["-o", config, *([] if is_full else ["-o", "force_stop=yes"])]
    done = host1.run(["ocf-tester", "-n", "tested", *options, AGENT], timeout_s=900)
    assert done.rc == 0, done.out + done.err
    said = (done.out + done.err).splitlines()
    remarks = [line for line in said if not any(text in line for text in OPTIONAL)]
    assert remarks == [f"Beginning tests for {AGENT}...", f"{AGENT} passed all tests"]


def test_ocft_cases_of_the_peer_pass(
    new_guest: Callable[..., Guest], host1: Machine, is_full: bool
) -> None:
    config = f"/etc/libvirt/qemu/{new_guest('guest1').name}.xml"
    original = host1.read(OCFT_CASES)
    try:
        cases = original.replace("/resource.d/heartbeat", "/resource.d/extra")
        if not is_full:
            cases = cases.replace(GIVEN, f"{GIVEN}\n\tEnv OCF_RESKEY_force_stop=yes")
        host1.write(OCFT_CASES, re.sub(r"OCFT_config=\S+", f"OCFT_config={config}", cases))
        host1.must(["ocft", "make", "VirtualDomain"])
        done = host1.run(["ocft", "test", "VirtualDomain"], timeout_s=900)
    finally:
        host1.write(OCFT_CASES, original)
    results = re.findall(r"^VirtualDomain: (.*) - (\S+)\.$", uncoloured(done.out), re.MULTILINE)
    assert len(results) == len(re.findall(r"(?m)^CASE ", original)) > 0
    assert [case for case, result in results if result != "OK"] == [], done.out
    assert done.rc == 0


def uncoloured(text: str) -> str:
    return re.sub(r"\x1b\[\d*m", "", text)


@pytest.mark.parametrize(
    "argv",
    [
        ["crm", "ra", "info", "ocf:extra:VirtualDomain"],
        ["pcs", "resource", "describe", "ocf:extra:VirtualDomain"],
    ],
)
def test_both_shells_describe_the_agent(host1: Machine, argv: list[str]) -> None:
    described = host1.must(argv, timeout_s=120)
    assert "migration_transport" in described
    assert "migrate_to" in described
