# SPDX-License-Identifier: GPL-2.0-or-later
"""The exchange of keys: a new one is added, then seals, then the old one is retired. Pure.

No step is taken before all hosts are where it needs them: else tokens that are in use would be
refused on some host. An unknown is a no; only it can be overridden.
"""

from __future__ import annotations

from typing import NamedTuple

from pmkvm.tokens import ring as rings
from pmkvm.tokens.key_report import USE_S
from pmkvm.tokens.ring import Ring, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pmkvm.tokens.ring import Key
    from stonith.vm_stonith_key.hosts import Host

# A fence agent's monitor opens every token once an hour where it is set as the manual says.
UNUSED_S = 2 * 3600


class Obstacles(NamedTuple):
    """no: what must not be overridden; unknown: what nobody can tell now."""

    no: tuple[str, ...]
    unknown: tuple[str, ...]

    def those(self, *, force: bool) -> tuple[str, ...]:
        return self.no if force else (*self.no, *self.unknown)


class Step(NamedTuple):
    """The ring after it, what stands in its way, and what it was and what is to be done next."""

    ring: Ring
    obstacles: Obstacles
    done: str
    then: str


def lacking(key_id: str, hosts: Sequence[Host], now: float) -> Obstacles:
    """Which hosts could not open a token of that key."""
    silent = tuple(filter(None, (host.silence(now) for host in hosts)))
    speaking = [host for host in hosts if not host.silence(now)]
    without = [host.name for host in speaking if host.said and not host.said.find(key_id)]
    no = tuple(f"{name} does not have the key {key_id}: copy the key file" for name in without)
    return Obstacles(no, silent if hosts else ("no host is known",))


def in_use(key_id: str, hosts: Sequence[Host], now: float) -> Obstacles:
    """Which hosts have opened a token of that key lately, or could not have noticed."""
    no, unknown = [], [silence for host in hosts if (silence := host.silence(now))]
    for host in hosts:
        report = host.said.find(key_id) if host.said and not host.silence(now) else None
        if report is None:
            continue
        if now - report.used < UNUSED_S:
            no.append(f"{host.name} opened a token of {key_id} {_ago(now - report.used)} ago")
        elif now - report.since < UNUSED_S:
            unknown.append(
                f"{host.name} has been looking for uses of {key_id} for"
                f" {_ago(now - report.since)} only, {_ago(UNUSED_S)} are needed"
            )
    return Obstacles(tuple(no), tuple(unknown))


def next_step(ring: Ring, hosts: Sequence[Host], now: float, fresh: Key | None = None) -> Step:
    """fresh: the key that a first step adds; drawn if None."""
    added, old = ring.of(State.NEW), ring.of(State.OLD)
    if added:
        return _use(ring, added[-1], hosts, now)
    if old:
        return _retire(ring, old[0], hosts, now)
    key = fresh or rings.new_key(State.NEW)
    return Step(
        Ring((*ring.keys, key)),
        # A host without the present key would be lost sight of.
        lacking(ring.sealing.id, hosts, now),
        f"added: key {key.id}, which seals nothing yet",
        "copy the key file to all other hosts, then rotate again",
    )


def _use(ring: Ring, new: Key, hosts: Sequence[Host], now: float) -> Step:
    keys = tuple(_aged(key, new) for key in ring.keys)
    return Step(
        Ring(keys),
        lacking(new.id, hosts, now),
        f"new tokens are sealed with {new.id}",
        "copy the key file, issue the tokens of all clusters of guests anew, then rotate again",
    )


def _retire(ring: Ring, old: Key, hosts: Sequence[Host], now: float) -> Step:
    missing, used = lacking(ring.sealing.id, hosts, now), in_use(old.id, hosts, now)
    unknown = tuple(dict.fromkeys(missing.unknown + used.unknown))
    return Step(
        Ring(tuple(key for key in ring.keys if key != old)),
        Obstacles(missing.no + used.no, unknown),
        f"retired: key {old.id}; its tokens are refused from now on",
        "copy the key file to all other hosts",
    )


def _aged(key: Key, new: Key) -> Key:
    return key._replace(state=State.SEALS if key == new else State.OLD)


def table(ring: Ring, hosts: Iterable[Host], now: float) -> list[str]:
    """Each key, its state and the hosts that have it."""
    speaking = [host for host in hosts if not host.silence(now)]
    lines = [f"{key.id} {key.state.value:<6}{_where(key.id, speaking, now)}" for key in ring.keys]
    ours = {key.id for key in ring.keys}
    said = [report.id for host in speaking if host.said for report in host.said.keys]
    strangers = sorted(set(said) - ours)
    return lines + [f"{i} -     {_where(i, speaking, now)}, not in this file" for i in strangers]


def _where(key_id: str, hosts: Iterable[Host], now: float) -> str:
    found = []
    for host in hosts:
        report = host.said.find(key_id) if host.said else None
        if report is not None:
            found.append(f"{host.name} ({_used(report.used, now)})")
    return " " + ", ".join(found or ["on no host that speaks"])


def _used(used: int, now: float) -> str:
    if not used:
        return "never used"
    if now - used < USE_S:
        return f"used within {USE_S // 60} min"
    return f"used {_ago(now - used)} ago"


def _ago(seconds: float) -> str:
    minutes = int(seconds // 60)
    return f"{minutes // 60} h {minutes % 60:02} min"
