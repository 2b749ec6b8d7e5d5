# SPDX-License-Identifier: GPL-2.0-or-later
"""What resource-agents' own testers say of our agents; of VirtualDomain on a real guest."""

from __future__ import annotations

import re

import pytest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=6)

AGENTS = "/usr/lib/ocf/resource.d/extra"
DISK = "/var/lib/lab-disk"
# vm-client as in a guest whose host is mute.
OTHERS = {
    "vm-anything": ["binfile=/bin/sleep", "cmdline_options=600"],
    "diskd": [f"device={DISK}", "name=lab-disk"],
    "vm-client": ["attribute_list=lab-gateway lab-disk"],
}
OCFT_CASES = "/usr/share/resource-agents/ocft/configs/VirtualDomain"
GIVEN = "CASE-BLOCK required_args"
# What ocf-tester says of an agent that has no such action; it calls all of them optional.
OPTIONAL = ("notify", "demote", "promote", "promotable", "reload")


def test_ocf_tester_passes_without_a_warning(
    new_guest: Callable[..., Guest], host1: Machine, is_full: bool
) -> None:
    config = f"config=/etc/libvirt/qemu/{new_guest('guest1').name}.xml"
    assert_passes(host1, "VirtualDomain", [config, *([] if is_full else ["force_stop=yes"])])


@pytest.mark.parametrize("agent", OTHERS)
def test_ocf_tester_passes_the_others(clean_lab: Lab, agent: str) -> None:
    """The cluster runs: two of them need its attribute manager."""
    host1 = clean_lab.hosts[0]
    # Another test's is a link to a device.
    host1.must(["rm", "-f", DISK])
    host1.must(["truncate", "--size", "1M", DISK])
    assert_passes(host1, agent, OTHERS[agent])


def assert_passes(host: Machine, name: str, parameters: list[str]) -> None:
    """Without a remark, but for actions that it has not and that are optional."""
    agent = f"{AGENTS}/{name}"
    options = [word for one in parameters for word in ("-o", one)]
    done = host.run(["ocf-tester", "-n", "tested", *options, agent], timeout_s=900)
    assert done.rc == 0, done.out + done.err
    said = (done.out + done.err).splitlines()
    remarks = [line for line in said if not any(text in line for text in OPTIONAL)]
    assert remarks == [f"Beginning tests for {agent}...", f"{agent} passed all tests"]


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


@pytest.mark.parametrize("shell", ["crm ra info", "pcs resource describe"])
def test_both_shells_describe_the_agents(host1: Machine, shell: str) -> None:
    for agent, parameter in {
        "extra:VirtualDomain": "migration_transport",
        "extra:vm-anything": "monitor_hook",
        "extra:vm-client": "attribute_list",
        "extra:diskd": "device",
        "pacemaker:diskd": "device",
    }.items():
        described = host1.must([*shell.split(), f"ocf:{agent}"], timeout_s=120)
        assert parameter in described
        assert "monitor" in described
