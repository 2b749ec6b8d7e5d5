# SPDX-License-Identifier: GPL-2.0-or-later
"""Many guests at once in a live cluster, over ssh to the other host's libvirt."""

from __future__ import annotations

import time

from tests.lab import many, slides
from vmctl.hosts import ANSWER_S

TYPE_CHECKING = False
if TYPE_CHECKING:
    from tests.lab.lab import Lab
    from tests.lab.machine import Machine

# For vm-ctl's own start, planning and printing, on two busy cores.
OWN_S = 3.0
PROBES_S = 120.0


def test_many_guests_are_one_change(
    clean_lab: Lab, host1: Machine, host2: Machine, is_full: bool
) -> None:
    lab, count = clean_lab, 200 if is_full else 20
    slides.load(lab)
    with slides.configured(lab, **slides.ENTRIES), many.defined(lab, count) as names:
        listed = ",".join(names)
        lab.cluster.wait_idle()
        before = many.epoch(lab)
        began = time.monotonic()
        host1.must(["vm-ctl", "resource", "add", listed, "-a", "host1"])
        print(f"{count} guests added in {time.monotonic() - began:.2f} s")
        assert many.epoch(lab) == before + 1
        primitives = lab.cib().findall("configuration/resources/primitive")
        assert {f"prmVMCTL_{name}" for name in names} <= {each.get("id") for each in primitives}
        table = host1.must(["vm-ctl", "resource", "list"]).splitlines()[2:]
        assert [row.split()[0] for row in table] == names
        # Pacemaker looks for each on each host; that is its own affair, and ours that all is well.
        lab.cluster.wait_idle(PROBES_S)
        assert lab.status().failures == []
        assert host1.run(["crm_verify", "--live-check", "-V"], timeout_s=60).err == ""
        before = many.epoch(lab)
        host2.must(["vm-ctl", "resource", "delete", listed])
        assert many.epoch(lab) == before + 1
        assert "VMCTL" not in host1.must(["cibadmin", "--query", "--scope", "configuration"])

        # The other host's sshd takes connections and says nothing.
        host2.signal("sshd", "STOP")
        try:
            began = time.monotonic()
            done = host1.run(["vm-ctl", "resource", "add", listed, "-a", "host1", "--dry-run"])
            took_s = time.monotonic() - began
        finally:
            host2.signal("sshd", "CONT")
        print(f"with a silent host: {took_s:.2f} s")
        assert done.rc == 0
        assert "MSG34 host2" in done.err
        assert ANSWER_S <= took_s < ANSWER_S + 0.01 * count + OWN_S
