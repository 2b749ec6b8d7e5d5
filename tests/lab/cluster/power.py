# SPDX-License-Identifier: GPL-2.0-or-later
"""The hosts' power in the hands of their BMCs: fencing as appendix A of the slides of 2011 has it,
and what becomes of a host that loses its power by it."""

from __future__ import annotations

import time
from typing import NamedTuple

from tests.lab.cluster import stonith
from tests.lab.cluster.bmc import PASSWORD, USER, switched
from tests.lab.slides import appendix_a
from tests.lab.slides.appendix_a import Addresses

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable

    from tests.lab.cluster.bmc import Bmc
    from tests.lab.cluster.cluster import Cluster
    from tests.lab.hosts.machine import Machine
    from tests.lab.lab import Lab

# A fence by a BMC: ipmitool waits 10 s for this one's list of ciphers, each time it is started.
FENCE_S = 120.0


def _addresses(lab: Lab, power: dict[str, Bmc]) -> dict[str, Addresses]:
    return {
        host.name: Addresses(f"{host.address} {host.ring_address}", power[host.name].address)
        for host in lab.hosts
    }


def as_crm(lab: Lab, power: dict[str, Bmc]) -> None:
    """Appendix A of the slides, as changed for today."""
    lab.cluster.configure_crm(appendix_a.today(_addresses(lab, power)))


def as_pcs(lab: Lab, power: dict[str, Bmc]) -> None:
    """The same as the documentation has it for pcs."""
    text = stonith.documented("pcs cluster cib appendix-a.xml", "stonith-helper.md")
    for name, one in _addresses(lab, power).items():
        text = text.replace(appendix_a.EXAMPLE[name].bmc, one.bmc)
    lab.hosts[0].must(["sh", "-ec", f"cd /run; {text}"], timeout_s=180)


class Loss(NamedTuple):
    """The end of a host by its BMC: after how long, and what the BMC was told."""

    took_s: float
    orders: list[str]


def loses_power(lab: Lab, act: Callable[[], None], lost: Machine, timeout_s: float) -> Loss:
    """What becomes of that host once something has happened; nobody else's BMC is told anything."""
    before, life, began = len(switched(lab)), lost.init(), time.monotonic()
    assert life is not None
    act()
    while life.is_alive():
        assert time.monotonic() - began < timeout_s, switched(lab)
        time.sleep(0.1)
    took_s = time.monotonic() - began
    (survivor,) = lab.others(lost)
    seen_by(lab, survivor).wait(
        lambda now: not now.nodes[lost.name].is_unclean, "it is known", FENCE_S
    )
    told = switched(lab)[before:]
    assert {(one.host, one.answer) for one in told} == {(lost.name, "OK")}
    return Loss(took_s, [one.order for one in told])


def seen_by(lab: Lab, host: Machine) -> Cluster:
    """The cluster in the words of that host: another one may be alone, or just have booted."""
    return lab.cluster._replace(hosts=[host])


def power_of(bmc: Bmc, asker: Machine) -> str:
    """on or off, as a person asks for it."""
    login = ["-I", "lanplus", "-C", "3", "-H", bmc.address, "-U", USER, "-P", PASSWORD]
    return asker.must(["ipmitool", *login, "power", "status"]).split()[-1]


def comes_back(lab: Lab, host: Machine, bmc: Bmc, loss: Loss) -> None:
    if "boot" not in loss.orders:
        # ipmitool repeats an order that is answered late. The BMC answers this when it is through
        # with all that came before.
        (survivor,) = lab.others(host)
        assert power_of(bmc, survivor) == "off"
        lab.boot(host)
    lab.cluster.wait_online()
