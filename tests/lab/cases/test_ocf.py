# SPDX-License-Identifier: GPL-2.0-or-later
"""Our own tester of OCF agents, on a real host, over our agents."""

from __future__ import annotations

import pytest

from tests.lab.hosts.machine import PROJECT

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.guests.guests import Guest
    from tests.lab.hosts.machine import Machine

pytestmark = pytest.mark.rotating(parts=6)

AGENTS = "/usr/lib/ocf/resource.d/extra"
FAKETIME = ("--faketime", "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1")
STOP_LIBVIRTD = "libvirtd stopped=/usr/bin/killall -STOP libvirtd::/usr/bin/killall -CONT libvirtd"


def complaints(host: Machine, *arguments: str) -> str:
    """Nothing as it should be."""
    shell = ["env", "-C", PROJECT, "/usr/bin/python3", "-B", "-m", "tests.ocf", *arguments]
    done = host.run(shell, timeout_s=1800)
    print(done.out)
    return "" if done.rc == 0 else done.out + done.err


def test_virtual_domain(new_guest: Callable[..., Guest], host1: Machine, is_full: bool) -> None:
    def config(name: str) -> str:
        return f"config=/etc/libvirt/qemu/{new_guest(name).name}.xml"

    arguments = [
        "-o",
        config("guest1"),
        "--second",
        config("guest2"),
        "--config",
        "config",
        *FAKETIME,
    ]
    arguments += ["--outage", STOP_LIBVIRTD] if is_full else ["-o", "force_stop=yes"]
    kills = ["--kills", "20" if is_full else "2"]
    assert complaints(host1, *arguments, *kills, f"{AGENTS}/VirtualDomain") == ""


@pytest.mark.parametrize("count", [2])
def test_vm_anything(host1: Machine, count: int) -> None:
    arguments = ["-o", "binfile=/bin/sleep", "-o", "cmdline_options=600", "--kills", str(count)]
    arguments += FAKETIME
    assert complaints(host1, *arguments, f"{AGENTS}/vm-anything") == ""


@pytest.mark.parametrize("count", [2])
def test_diskd(host1: Machine, count: int) -> None:
    """The cluster runs: diskd needs its attribute manager."""
    disk = "/var/lib/lab-disk"
    # Another test's is a link to a device.
    host1.must(["rm", "-f", disk])
    host1.must(["truncate", "--size", "1M", disk])
    arguments = ["-o", f"device={disk}", "-o", "interval=10", "--kills", str(count), *FAKETIME]
    for provider in ("extra", "pacemaker"):
        agent = f"{AGENTS.rpartition('/')[0]}/{provider}/diskd"
        assert complaints(host1, *arguments, agent) == ""


def test_vm_client(host1: Machine) -> None:
    """As in a guest whose host is mute; the cluster runs, for its attribute manager."""
    arguments = ["-o", "attribute_list=lab-gateway", "--kills", "2", *FAKETIME]
    assert complaints(host1, *arguments, f"{AGENTS}/vm-client") == ""
