# SPDX-License-Identifier: GPL-2.0-or-later
"""Before a guest is created here: does it live on another host of the cluster?

Pacemaker may not know. Somebody has migrated the guest by hand; an arrival has failed where the
guest runs; or Pacemaker has forgotten an arrival (2.1.5 and 3.0.0, when its configuration changes
in the middle of a migration that has gone the same way before: it takes the old migrate_from in
its history for the new one's, and starts the guest on the host that it has left).

So all members and all Pacemaker Remote nodes that are online are asked. Each host's vm-stonithd
publishes of which guests a QEMU lives there (pmkvm.virt.presence): to hear all hosts takes one call
of a tool. It goes by the process table, and so it outweighs libvirt. A host that publishes nothing
that counts now is asked through its libvirt, as for a migration. Of a host that is silent then
Pacemaker is believed, and the log says so.
"""

from __future__ import annotations

import time
from functools import partial

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.fence_check import LOOK_S, FencedError
from agents.virtual_domain.guest.subject import names_another_host
from agents.virtual_domain.migration.plan import plan
from pmkvm.deadline import Deadline
from pmkvm.errors import ExhaustedError, HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.pacemaker import attributes, status
from pmkvm.thread_call import Call
from pmkvm.virt import presence
from pmkvm.virt.connection import State
from pmkvm.virt.presence import Word

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.virtual_domain.guest.fence_check import Fence
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain

# For the libvirts of all hosts together: one that is silent was fenced, or will be.
ASK_S = 3.0
# For this host's own part of the cluster.
_CLUSTER_S = 5.0
# A life that is being ended there goes in that time, and so does an abandoned create. An error
# would raise the fail-count for what is over in a moment. It is longer than what is published
# counts: where a vm-stonithd has ended with its guest's QEMU, libvirt is asked in time.
GOES_S = presence.FRESH_S + presence.AHEAD_S + 1.0
# A start that tries again and again asks so often.
_AGAIN_S = 1.0


class OtherHosts:
    """As one start asks them."""

    def __init__(self, context: Context, fence: Fence) -> None:
        self._context = context
        self._fence = fence
        # A person calls without a node's name: then there is no cluster to ask.
        self._here = context.meta.get("on_node", "")
        # They have had their time.
        self._silent: set[str] = set()
        self._counts_until: Deadline | None = None

    def require_ended(self, subject: Subject, deadline: Deadline) -> None:
        """Raises OcfError if the guest lives on one of them. What can't be asked is no obstacle.

        FencedError if it is being fenced meanwhile; DeadlineError.
        """
        is_known = self._counts_until is not None and not self._counts_until.expired()
        # A libvirt of another machine is the same one for all hosts, and has been asked.
        if not self._here or is_known or names_another_host(subject.uri):
            return
        words = self._ask(subject, self._others(subject, deadline), deadline, tells=True)
        suspects = [host for host, word in words.items() if word == Word.LIVES]
        patience, next_look = deadline.at_most(GOES_S), deadline.at_most(LOOK_S)
        while suspects:
            if patience.less(domain_state.POLL_S).expired():
                where = ", ".join(sorted(suspects))
                text = f"{subject.identity.name}: lives on {where}, and is not started here too"
                raise OcfError(OcfCode.GENERIC, text)
            patience.pause(domain_state.POLL_S)
            if next_look.expired():
                self._fence.look()
                next_look = deadline.at_most(LOOK_S)
            words = self._ask(subject, suspects, deadline)
            # Silence does not take back what was said.
            suspects = [host for host, word in words.items() if word != Word.ABSENT]
        self._counts_until = Deadline(_AGAIN_S)

    def _others(self, subject: Subject, deadline: Deadline) -> list[str]:
        """Where the cluster can't tell them, those that publish."""
        limit = deadline.at_most(_CLUSTER_S)
        what = "asking for the cluster's hosts"
        try:
            hosts = self._fence.during(deadline, what, lambda: status.online_hosts(limit))
        except (ExhaustedError, FencedError):
            raise
        except HaError as error:
            hosts = self._fence.during(deadline, what, lambda: tuple(self._published(deadline)))
            self._context.log.warning(
                f"{subject.identity.name}: of the cluster's hosts only those are asked that publish"
                f" who lives there ({', '.join(sorted(hosts)) or 'none'}): {error}"
            )
        return [host for host in hosts if host != self._here]

    def _ask(
        self, subject: Subject, hosts: Sequence[str], deadline: Deadline, *, tells: bool = False
    ) -> dict[str, Word]:
        """What each of them says of the guest. tells: of those that are silent, which are not asked
        through libvirt again."""
        if not hosts:
            return {}
        what = f"asking other hosts for {subject.identity.name}"
        silence: dict[str, str] = {}
        ask = partial(self._ask_all, subject, hosts, deadline, silence)
        words = self._fence.during(deadline, what, ask)
        if tells and silence:
            self._silent.update(silence)
            told = "; ".join(f"{host} ({reason})" for host, reason in sorted(silence.items()))
            self._context.log.warning(
                f"{subject.identity.name}: can't be asked whether it lives there, so Pacemaker is"
                f" believed: {told}"
            )
        return words

    def _ask_all(
        self, subject: Subject, hosts: Sequence[str], deadline: Deadline, silence: dict[str, str]
    ) -> dict[str, Word]:
        """In a thread. silence: why a host said nothing."""
        said = self._published(deadline)
        identity, now = subject.identity, time.time()
        uuid = identity.uuid if identity.is_qemu else ""
        words = {host: presence.word(said.get(host, ""), uuid, now) for host in hosts}
        unsure = [
            host for host, word in words.items() if word == Word.SILENT and host not in self._silent
        ]
        limit = deadline.at_most(ASK_S)
        calls: dict[str, Call] = {}
        for host in unsure:
            try:
                there = subject._replace(uri=plan(self._context, subject.uri, host).remote_uri)
            except OcfError as error:
                silence[host] = str(error)
                continue
            what = f"asking {host} for the state of {identity.name}"
            calls[host] = Call(what, partial(domain_state.with_lookup, there, _word_of))
        for host, call in calls.items():
            try:
                if not call.is_done(limit):
                    raise call.abandon()
                words[host] = call.result()  # type: ignore[assignment]
            except ExhaustedError:
                # That this host lacks something says nothing of the other one.
                raise
            except HaError as error:
                silence[host] = str(error)
        return words

    def _published(self, deadline: Deadline) -> dict[str, str]:
        try:
            return attributes.hear(presence.ATTRIBUTE, deadline.at_most(_CLUSTER_S))
        except ExhaustedError:
            raise
        except HaError as error:
            self._context.log.debug(f"what the other hosts publish is not known: {error}")
            return {}


def _word_of(domain: Domain | None) -> Word:
    """One that crashed and was kept is a QEMU."""
    if domain is None or domain.status().state == State.SHUTOFF:
        return Word.ABSENT
    return Word.LIVES
