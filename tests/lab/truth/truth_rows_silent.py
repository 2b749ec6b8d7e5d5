# SPDX-License-Identifier: GPL-2.0-or-later
"""Rows of the table of truth about who does not answer: libvirtd, its clients, QEMU, and a guest
that is to shut down."""

from __future__ import annotations

from tests.lab.hosts import hypervisor
from tests.lab.truth.truth import End, Row, Scene
from tests.lab.truth.truth_situations import (
    DOTTED,
    POLITE,
    act,
    another_like_it,
    both,
    by_kvm,
    emulator,
    frozen,
    killed,
    nothing,
    outage,
    stuck,
    without_clients,
)

HERE, DEAD = End.HERE, End.DEAD

_KILLED = Row("libvirtd dead", "monitor", (0,), HERE, killed)
_FROZEN = Row("libvirtd stopped (SIGSTOP)", "monitor", (0,), HERE, frozen, is_long=True)
_BACK = outage(hypervisor.kill, lasts_s=3)
_AWAY = outage(hypervisor.kill, after_s=0.5, lasts_s=3)

ROWS = (
    # Without libvirt.
    _KILLED,
    _KILLED._replace(action="probe"),
    _KILLED._replace(action="stop", codes=(0,), end=DEAD, timeout_s=30, is_long=True),
    _KILLED._replace(
        action="start", codes=(1,), end=DEAD, is_started=False, timeout_s=12, is_long=True
    ),
    _KILLED._replace(
        situation="libvirtd dead, never started",
        action="probe",
        codes=(7,),
        end=DEAD,
        is_started=False,
    ),
    _KILLED._replace(situation="libvirtd dead, emulator named kvm", edit=by_kvm, first=emulator),
    _KILLED._replace(
        situation="libvirtd, QEMU dead, beside guest-1",
        codes=(7,),
        end=DEAD,
        enter=both(act(another_like_it), killed),
        guest=DOTTED,
    ),
    _FROZEN,
    _FROZEN._replace(action="stop", codes=(0,), end=DEAD, timeout_s=30),
    _FROZEN._replace(action="start", codes=(1,), end=DEAD, is_started=False, timeout_s=12),
    _FROZEN._replace(
        situation="libvirtd stopped, QEMU killed",
        codes=(7,),
        end=DEAD,
        enter=both(act(Scene.kill_guest), frozen),
    ),
    _FROZEN._replace(action="migrate_to", codes=(1,), timeout_s=15),
    Row("libvirtd back in 3 s", "start", (0,), HERE, _BACK, is_started=False, is_long=True),
    Row(
        "libvirtd back in 3 s",
        "stop",
        (0,),
        DEAD,
        both(act(Scene.wait_for_boot), _BACK),
        guest=POLITE,
        timeout_s=30,
        by_itself=True,
        is_long=True,
    ),
    Row("libvirtd restarts meanwhile", "stop", (0,), DEAD, _AWAY, timeout_s=30, is_long=True),
    Row("libvirtd restarts meanwhile", "start", (0,), HERE, _AWAY, is_started=False, is_long=True),
    Row("virsh and binding gone", "monitor", (0,), HERE, without_clients),
    Row("virsh and binding gone", "stop", (0,), DEAD, without_clients, timeout_s=30, is_long=True),
    # Stop.
    Row("deaf to the power button", "stop", (0,), DEAD, nothing, timeout_s=30, is_long=True),
    Row(
        "still boots",
        "stop",
        (0,),
        DEAD,
        nothing,
        guest=POLITE,
        timeout_s=45,
        by_itself=True,
        is_long=True,
    ),
    Row("QEMU stopped (SIGSTOP)", "stop", (0,), DEAD, stuck, timeout_s=30, is_long=True),
    Row("QEMU stopped (SIGSTOP)", "monitor", (0,), HERE, stuck, is_long=True),
)
