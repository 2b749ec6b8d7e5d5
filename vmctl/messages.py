# SPDX-License-Identifier: GPL-2.0-or-later
"""What vm-ctl says, by stable number: 1 to 27 as the vm-ctl of 2011, new ones from 30 on."""

from __future__ import annotations

import sys
from typing import NamedTuple

from pmkvm.errors import HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

TEXTS = {
    1: "Pacemaker does not run on this host: start it, or run vm-ctl on a host where it runs",
    2: "{path}: no such configuration file",
    3: "{domain}: no such domain in libvirt on this host",
    5: "{reason}",
    # Keys of the configuration, each with its number: 22 for those that have none of their own.
    **dict.fromkeys((6, 7, 8, 9, 10, 22, 23, 24), "{where}: {reason}"),
    11: "{domain}: already registered as {resource}",
    12: "fencing is disabled in this cluster ({option}) while vm_stonith is on",
    13: "{domain}: running on {nodes}, stop it before it is deleted",
    14: "{node}: Pacemaker is down there, or on its way up, so no guest can run there",
    15: "{domain}: no resource {resource} in this cluster",
    16: "{node}: no such node in this cluster",
    17: "another vm-ctl is at work: {reason}",
    18: "{domain}: not running, nothing to move",
    19: "{domain}: its constraints forbid it on {node}{reason}",
    20: "{domain}: its constraints allow it on no other node",
    21: "{domain}: runs on {node} already, nothing done",
    25: "{domain}: its resource is not managed by the cluster",
    26: "{domain}: the move was not started",
    27: "{domain}: the move failed: {reason}",
    30: "{domain!a}: no domain can have this name: it must be printable and have no /",
    31: "{domain}: runs on {nodes}, Pacemaker would shut it down; stop it, or use --running",
    32: "{domain}: runs on {nodes}, but -a says {node}; with --running both must be the same",
    33: "{domain}: no definition {path} on this host",
    34: "{node}: its libvirt could not be asked about the guests: {reason}",
    35: "{where}: score INFINITY: when {resource} cannot run, the guests stop; 100 avoids that",
    36: "the id {id} is in use in this cluster already",
    37: "{domain}: not {state} after {seconds} s{reason}",
    38: "{domain}: runs on more than one node: {nodes}",
    39: "{domain}: its resource is in {parent}, take it out first",
    41: "libvirt was not asked: {reason}",
    42: "interrupted",
    43: "the cluster is at work ({doing}); the change is made all the same",
    44: "{domain}: not defined on {node}, and cannot move there",
    45: "{domain}: has uuid {other} on {node} and {uuid} here, so migrations fail; define it with"
    " one uuid",
    46: "{domain}: its definition on {node} differs from the one here in {place}",
    47: "{domain}: {resource} ({agent}) manages it already; see CHANGE OF OWNER in vm-ctl(8)",
    48: "{domain}: libvirt starts it on {node} by itself; virsh autostart --disable {domain}",
    49: "libvirt-guests is enabled here and starts and stops guests behind Pacemaker's back;"
    " systemctl disable --now libvirt-guests",
    50: "{where}: {resource} does not run on {nodes}; with this score the guests can't run there",
    51: "{domain}: its scores will move it back to {node}; to keep it, move it with --no-wait, and"
    " run vm-ctl location move {domain} when it is there",
    52: "{domain}: a fence keeps it stopped, until {end} at most",
    53: "{domain}: the constraints of its move end by themselves in {seconds} s at most; see"
    " vm-ctl resource list",
    54: "{domain}: the constraints of its move stay, {seconds} s at most: {reason}",
    55: "{domain}: is being migrated, wait until it is there",
    56: "{domain}: it is on its way, and vm-ctl ends when it has arrived; interrupt vm-ctl again to"
    " end it now: the move goes on, and its constraints end by themselves within {seconds} s",
    57: "another vm-ctl on this host can't be locked out: {reason}",
    58: "{domain}: Pacemaker still migrates it; vm-ctl removes the constraints of the move after"
    " that; interrupt it to end it now: then they stay, {seconds} s at most",
    59: "{domain}: libvirt on {node} keeps a saved memory of it, maybe older than its disks, and no"
    " start there restores it; virsh managedsave-remove {domain}",
    62: "{domain}: as far as this host can tell, {what} is not on storage that all hosts share; a"
    " start on another host begins with a new one",
    70: "{domain}: {here} does not reach libvirt on {node} over {uri}, the way of its migrations:"
    " {reason}; try on {here}: virsh -c '{uri}' list",
    71: "{domain}: libvirt on {node}, {uri}, does not answer, and a live migration needs it:"
    " {reason}",
    72: "{domain}: whether {origin} reaches libvirt on {nodes} is not known before the move:"
    " {reason}",
    73: "{domain}: libvirt refuses to migrate it live, since it has snapshots ({count}); virsh"
    " snapshot-list {domain}",
    74: "{domain}: libvirt is at {job}; a live migration waits for its end, or is refused",
    75: "{node}: is itself a guest or a bundle of this cluster, and runs no guests",
    76: "{node}: is a Pacemaker Remote node; another guest's fence of a guest there is refused",
    77: "{domain}: not {state}, and the cluster does no more for it{reason}",
    78: "{domain}: runs, but {reason}; until that is cleaned up it may stay barred from there:"
    " crm_resource --cleanup --resource {resource}",
    79: "{domain}: {reason}; {next}",
    80: "{domain}: does not run; its preferred node stays {node}",
    81: "{node}: is offline; started now, the guests would run elsewhere",
    82: "{where}: no node has the attribute {attribute} now, and without it no guest starts; who"
    " sets it must run first",
    88: "{reason}",
    89: "{path}: there is no such file (CIB_file)",
    90: "{reason}",
    91: "{where}: {agent} is not installed on this host: there is no {path}",
}


_COLOURS = {"error": 31, "warning": 33}


def why(reasons: Iterable[str]) -> str:
    """To stand behind a sentence."""
    return "".join(f"; {each}" for each in reasons)


class Message(NamedTuple):
    """One thing to say; str() is its line."""

    number: int
    text: str

    def __str__(self) -> str:
        return f"MSG{self.number:02d} {self.text}"


def message(number: int, **arguments: object) -> Message:
    return Message(number, TEXTS[number].format(**arguments))


def say(messages: Iterable[Message], kind: str = "warning") -> None:
    """At a terminal with the word that says which kind it is, in that kind's colour (ECMA-48)."""
    for each in messages:
        sys.stderr.write(f"vm-ctl: {mark(kind)}{each}\n")


def mark(kind: str) -> str:
    return f"\x1b[1;{_COLOURS[kind]}m{kind}:\x1b[0m " if sys.stderr.isatty() else ""


class RefusedError(HaError):
    """Nothing was changed, for these reasons."""

    def __init__(self, *problems: Message) -> None:
        super().__init__("; ".join(str(problem) for problem in problems))
        self.problems: Sequence[Message] = problems


def refuse(problems: Iterable[Message]) -> None:
    """Raise RefusedError with all of them, if there is any."""
    found = tuple(problems)
    if found:
        raise RefusedError(*found)
