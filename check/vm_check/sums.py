# SPDX-License-Identifier: GPL-2.0-or-later
"""The sums of doc/fencing.md, Times that fit together, with this cluster's numbers. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from check.vm_check import cib_words, of_times
from pmkvm.pacemaker.renamed import FENCING_TIMEOUT

if TYPE_CHECKING:
    from check.vm_check.facts import Facts, Guest

# corosync's own, where it could not be asked: consensus is so many tokens.
TOKEN_S = 3.0
CONSENSUS_TOKENS = 1.2
# Pacemaker's own.
FENCE_S = 60.0
# What a guest's fence device must have above the hosts, and its cluster above the device.
DEVICE_ABOVE_S, PROPERTY_ABOVE_S = 5.0, 2.0
_MS = 1000.0


class Sum(NamedTuple):
    """what: of which time this is the sum. how: what it is made of, with each number."""

    what: str
    seconds: float
    how: str

    def __str__(self) -> str:
        return f"{self.what}: {self.seconds:g} s ({self.how})"


def of(facts: Facts, guest: Guest) -> tuple[Sum, ...]:
    """From the loss of a host to the guest's fence, and to its start elsewhere."""
    noticed, fenced = _noticed(facts), _fenced(facts)
    lost = Sum(
        "H, a lost host is noticed and fenced, at most",
        round(noticed.seconds + fenced.seconds, 1),
        f"{noticed.seconds:g} + {fenced.seconds:g}",
    )
    return (
        noticed,
        fenced,
        lost,
        *_in_guests(lost.seconds),
        *_restart(facts, guest, lost.seconds),
    )


def _noticed(facts: Facts) -> Sum:
    told = facts.corosync
    token = _milliseconds(told.get("token", ""), TOKEN_S)
    consensus = _milliseconds(told.get("consensus", ""), token * CONSENSUS_TOKENS)
    source = "corosync's token + consensus" if told else "corosync's defaults: token + consensus"
    return Sum(
        "a lost host is noticed",
        round(token + consensus, 1),
        f"{source}, {token:g} + {consensus:g}",
    )


def _fenced(facts: Facts) -> Sum:
    """The device may take so long. What it takes as a rule is not recorded anywhere."""
    options = cib_words.options(facts)
    default = cib_words.seconds(FENCING_TIMEOUT.value(options), FENCE_S)
    given = [cib_words.parameters(each) for each in cib_words.of_class(facts, "stonith")]
    longest = max(
        (cib_words.seconds(each.get("pcmk_reboot_timeout"), default) for each in given),
        default=default,
    )
    delay = max((_delay(each) for each in given), default=0.0)
    priority = cib_words.seconds(options.get("priority-fencing-delay"), 0.0)
    name = FENCING_TIMEOUT.new if FENCING_TIMEOUT.new in options else FENCING_TIMEOUT.old
    parts = [f"{name} or pcmk_reboot_timeout {longest:g}"]
    parts += [f"delay of the device {delay:g}"] * (delay > 0)
    parts += [f"priority-fencing-delay {priority:g}"] * (priority > 0)
    total = round(longest + delay + priority, 1)
    return Sum("its fence device, at most", total, " + ".join(parts))


def _delay(parameters: dict[str, str]) -> float:
    """pcmk_delay_max is the most that base and random delay make together."""
    base = cib_words.seconds(parameters.get("pcmk_delay_base", "0").partition(";")[0], 0.0)
    return max(base, cib_words.seconds(parameters.get("pcmk_delay_max"), 0.0))


def _in_guests(lost_s: float) -> tuple[Sum, Sum]:
    """What the hosts can't see is set in the guests: here is what it has to be."""
    device = round(lost_s + DEVICE_ABOVE_S, 1)
    prop = round(device + PROPERTY_ABOVE_S, 1)
    return (
        Sum(
            "T, timeout of the device in the guests, at least",
            device,
            f"H + {DEVICE_ABOVE_S:g}; its default of 20 s may not survive a lost host",
        ),
        Sum(
            "S, stonith-timeout of the guests' cluster, at least",
            prop,
            f"T + {PROPERTY_ABOVE_S:g}, and a delay if there is one",
        ),
    )


def _restart(facts: Facts, guest: Guest, lost_s: float) -> tuple[Sum, Sum]:
    defaults = cib_words.defaults(facts, "op_defaults")
    start, stop, monitor = (
        of_times.allowed_s(guest, each, defaults) for each in ("start", "stop", "monitor")
    )
    begun = of_times.longest(facts, guest, "start")
    took = "" if begun is None else f", which took {begun.exec_s:.1f} s last"
    interval = cib_words.seconds(guest.operations.get("monitor", {}).get("interval"), 0.0)
    return (
        Sum(
            "from the loss of its host to its start elsewhere, at worst",
            round(lost_s + start, 1),
            f"H {lost_s:g} + timeout of start {start:g}{took}",
        ),
        Sum(
            "from its own death to its start, at worst",
            round(interval + monitor + stop + start, 1),
            f"monitor every {interval:g} + its timeout {monitor:g} + stop {stop:g}"
            f" + start {start:g}",
        ),
    )


def _milliseconds(text: str, otherwise: float) -> float:
    return int(text) / _MS if text.isascii() and text.isdigit() else otherwise
