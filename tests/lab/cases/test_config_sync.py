# SPDX-License-Identifier: GPL-2.0-or-later
"""save_config_on_stop and sync_config_on_stop: a changed definition outlives the guest's stop."""

from __future__ import annotations

import pytest

from tests.lab.cluster import agents
from tests.lab.cluster.agents import virtual_domain
from tests.lab.guests.guests import Guest
from tests.lab.guests.lone_guest import LoneGuest

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab

pytestmark = pytest.mark.rotating(parts=4)

# Not on the shared storage: each host has its own.
OWN_CONFIG = "/etc/lab-guest1.xml"
CSYNC2_KEY = "/etc/csync2.key"
CSYNC2 = f"""nossl * *;
group lab {{
    host host1 host2;
    key {CSYNC2_KEY};
    include {OWN_CONFIG};
    auto none;
}}
"""


def test_a_changed_definition_is_saved_and_brought_to_the_other_host(lab: Lab) -> None:
    lab.clean()
    agents.forget(lab)
    host1, host2 = lab.hosts
    changed = LoneGuest(lab, Guest("guest1"))
    host1.must(["csync2", "-k", CSYNC2_KEY])
    key = host1.read(CSYNC2_KEY)
    for host in lab.hosts:
        host.write(OWN_CONFIG, changed.guest.xml(), "0640")
        host.write(CSYNC2_KEY, key, "0600")
        host.write("/etc/csync2.cfg", CSYNC2)
        host.must(["sh", "-c", "rm -f /var/lib/csync2/*"])
        # The first look: what is there now is equal everywhere.
        host.must(["csync2", "-cIr", "/"])
        host.spawn("csync2", ["csync2", "-ii"])
    try:
        agent = virtual_domain("extra", config=OWN_CONFIG, sync_config_on_stop="yes")
        changed.start(agent)
        host1.must(["virsh", "-q", "desc", "guest1", "--live", "changed by a person"])
        changed.stop(agent)
        saved = host1.read(OWN_CONFIG)
        assert "changed by a person" in saved
        assert host1.must(["stat", "-c", "%a", OWN_CONFIG]).strip() == "640"
        assert host2.read(OWN_CONFIG) == saved
        # What was saved starts again, and a stop that changes nothing writes nothing.
        changed.start(agent)
        stamp = host1.must(["stat", "-c", "%y %i", OWN_CONFIG])
        changed.stop(virtual_domain("extra", config=OWN_CONFIG, save_config_on_stop="yes"))
        assert host1.must(["stat", "-c", "%y %i", OWN_CONFIG]) == stamp
    finally:
        for host in lab.hosts:
            host.stop("csync2")
