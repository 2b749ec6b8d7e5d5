# SPDX-License-Identifier: GPL-2.0-or-later
"""How a stop's time is shared out."""

from __future__ import annotations

import pytest

from agents.virtual_domain.stopping.budget import destroy, destroy_margin, method, methods
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError


@pytest.mark.parametrize(
    ("time_s", "wanted_s", "margin_s"),
    [
        # 20 s: more than libvirt's own 10 s between SIGTERM and SIGKILL, twice.
        (87, 0, 20),
        (600, 0, 20),
        (30, 0, 10),
        (87, 40, 40),
        (87, 1, 1),
        # The guest is asked whatever the parameter says.
        (30, 90, 20),
        (0, 0, 0),
        (0, 5, 0),
    ],
)
def test_the_margin_leaves_time_for_both(time_s: float, wanted_s: int, margin_s: float) -> None:
    assert destroy_margin(time_s, wanted_s) == pytest.approx(margin_s)


@pytest.mark.parametrize("time_s", [0.0, 0.5, 3.0, 20.0, 117.0, 3600.0])
def test_the_destroy_ends_in_time_with_a_kill(time_s: float) -> None:
    phases = destroy(time_s)
    assert sum(phases) <= time_s
    assert phases.kill_s >= time_s * 0.2 - 0.001
    assert min(phases) >= 0
    # libvirt's own SIGKILL comes after 10 s.
    assert time_s < 20 or phases.libvirt_s >= 10


@pytest.mark.parametrize(
    ("text", "is_qemu", "order"),
    [
        ("", True, (0, 1)),
        ("", False, (0,)),
        ("acpi", True, (1,)),
        ("agent", True, (2,)),
        ("agent,acpi", True, (2, 1)),
        ("agent, acpi", True, (2, 1)),
        ("agent acpi", True, (2, 1)),
        ("initctl,signal", False, (4, 8)),
        ("paravirt", False, (16,)),
    ],
)
def test_the_ways_to_ask_are_in_the_order_given(
    text: str, is_qemu: bool, order: tuple[int, ...]
) -> None:
    assert methods(text, is_qemu=is_qemu) == order


def test_a_way_that_libvirt_does_not_have_is_named() -> None:
    with pytest.raises(OcfError, match="shutdown_mode: 'apci' is none of acpi, agent") as caught:
        methods("agent,apci", is_qemu=True)
    assert caught.value.code == OcfCode.CONFIGURED


def test_the_last_way_is_tried_again_and_again() -> None:
    assert [method((2, 1), request) for request in range(4)] == [2, 1, 1, 1]
