# SPDX-License-Identifier: GPL-2.0-or-later
"""The truth about a guest, and the further checks of a running one."""

from __future__ import annotations

import time

from agents.virtual_domain.guest import domain_state
from agents.virtual_domain.guest.judgement import (
    DEAD,
    Verdict,
    has_crashed,
    judge_by_libvirt,
    judge_dump,
    judge_living,
    judge_silence,
)
from agents.virtual_domain.guest.subject import identify, remember, settled
from pmkvm.errors import DeadlineError, HaError
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt.connection import LibvirtError, State

TYPE_CHECKING = False
if TYPE_CHECKING:
    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context
    from pmkvm.virt.connection import Domain, Status

# How long libvirt is waited for when the process table can answer as well, and what must be left
# of the action's own time for that answer.
_PATIENCE_S = 5.0
_RESERVE_S = 0.5
# How long a guest that libvirt alone knows may be gone before it is missed.
_REBOOT_S = 3.0
# The depth (OCF_CHECK_LEVEL) from which libvirt must answer.
_LIBVIRT_LEVEL = 10
# Left of the action's time when a script is killed: nobody else would do it.
_SCRIPT_RESERVE_S = 1.0


def monitor(context: Context) -> OcfCode:
    """Probe, recurring monitor and status."""
    subject = identify(context)
    is_left = False
    if subject.is_starting:
        # Loaded here only, with the signals that it needs: see pmkvm.light_types.
        from agents.virtual_domain.guest.abandoned_create import end_abandoned_start

        is_left = end_abandoned_start(context, subject)
    subject, verdict = _look_past_strangers(context, subject)
    if is_left and verdict.lives:
        verdict = Verdict(
            OcfCode.GENERIC, "holds a restored memory, and its start did not resume it"
        )
    if context.is_probe and subject.identity.is_qemu:
        # The file tells: a probe that finds no guest does not need libvirt.
        _warn_of_managed_save(context, subject, None)
    is_recurring = context.meta.get("interval", "0") != "0"
    if is_recurring and verdict.code == OcfCode.NOT_RUNNING and not subject.identity.is_qemu:
        verdict = _look_again(context, subject)
    if verdict.lives and not context.is_probe:
        _look_closer(context, subject, verdict)
    if verdict.code == OcfCode.NOT_RUNNING and _is_owed(context, subject):
        context.log.info(f"{subject.identity.name}: dead under a fence; its stop has yet to come")
        return OcfCode.SUCCESS
    if verdict.code in (OcfCode.GENERIC, OcfCode.DEGRADED):
        raise OcfError(verdict.code, f"{subject.identity.name}: {verdict.reason}")
    context.log.debug(f"{subject.identity.name}: {verdict.reason}")
    return verdict.code


def _look_past_strangers(context: Context, subject: Subject) -> tuple[Subject, Verdict]:
    """A recurring monitor asks for the cluster's word only where a QEMU has the guest's name and
    another uuid, and the life that it remembers is over."""
    try:
        return subject, look(context, subject)
    except HaError:
        if subject.is_clusters or not subject.identity.is_qemu:
            raise
        known = settled(context, subject)
        if not known.is_clusters:
            raise
        return known, look(context, known)


def _is_owed(context: Context, subject: Subject) -> bool:
    """Whether a recurring monitor of a guest that a fence has killed must wait for the stop.

    An error now would run its on-fail, up to the fencing of this host (doc/fencing-protocol.md,
    Agent under a ban). Probes, and monitors of the role Stopped, tell the truth.

    Without a pending stop the ban itself is asked for (13 ms), since a fence kills also where no
    pending stop can be written. A CIB that can't be read in that time may hold one, so the next
    monitor shall tell: nothing is lost by that, for Pacemaker writes down by way of the same CIB
    manager what this one finds.
    """
    if context.meta.get("interval", "0") == "0" or context.meta.get("role") == "Stopped":
        return False
    # Here only: a guest that lives has no pending stop.
    from agents.virtual_domain.guest.fence_check import Fence
    from pmkvm.fencing import pending_stop

    owed = pending_stop.load(context.instance)
    if owed is not None and not owed.is_void([], time.monotonic()):
        last = subject.remembered.life if subject.remembered is not None else None
        if not owed.is_older_than(last):
            return True
    patience = context.deadline.less(_RESERVE_S).at_most(_PATIENCE_S)
    return Fence(context).may_be_banned(patience)


def _warn_of_managed_save(context: Context, subject: Subject, domain: Domain | None) -> None:
    """Of a memory that no start here will restore: a start on this host fails until it is gone."""
    from pmkvm.virt import managed_save

    name = subject.identity.name
    try:
        kept = managed_save.describe(name, domain, is_here=subject.identity.is_qemu)
    except LibvirtError:
        return
    if kept:
        context.log.warning(f"{name}: no start here: {kept}")


def _look_again(context: Context, subject: Subject) -> Verdict:
    """A guest of Xen that reboots is no domain for a second: started now, it would run twice."""
    deadline = context.deadline.less(_RESERVE_S).at_most(_REBOOT_S)
    while True:
        deadline.pause(domain_state.POLL_S)
        verdict = look(context, subject)
        if verdict.code != OcfCode.NOT_RUNNING or deadline.expired():
            return verdict


def _look_closer(context: Context, subject: Subject, verdict: Verdict) -> None:
    """What a recurring monitor does beside looking; each loads what it needs."""
    if verdict.wants_resume:
        from agents.virtual_domain.actions.monitor_deep import resume

        resume(context, subject)
    if verdict.code == OcfCode.SUCCESS and context.text("monitor_scripts"):
        run_monitor_scripts(context, subject)
    if context.check_level >= _LIBVIRT_LEVEL:
        from agents.virtual_domain.actions.monitor_deep import check

        check(context, subject)


def look(context: Context, subject: Subject) -> Verdict:
    """Ask the witnesses; what is seen running is remembered."""
    if not subject.identity.is_qemu:
        deadline = context.deadline.less(1)
        # Asked in the same connection: a probe opens no second one.
        status = domain_state.patient_status(
            subject,
            deadline,
            (lambda domain: _warn_of_managed_save(context, subject, domain))
            if context.is_probe
            else None,
        )
        verdict = judge_by_libvirt(status, context.text("on_io_error"))
        return _unless_dumped(subject, status, verdict, deadline)
    deadline = context.deadline.less(_RESERVE_S).at_most(_PATIENCE_S)
    doubt: Verdict | None = None
    while True:
        lives = domain_state.living(subject)
        if not lives:
            return DEAD
        runs = not subject.is_starting
        try:
            status = domain_state.status(subject, deadline)
            verdict = judge_living(status, context.text("on_io_error"))
            verdict = _unless_dumped(subject, status, verdict, deadline)
            # Somebody resumed what would be an abandoned create otherwise: it is a guest from now
            # on.
            runs = runs or (status is not None and status.state == State.RUNNING)
        except domain_state.SilentError as error:
            # Silence, or the end of our patience, does not take back what libvirt has said.
            verdict = doubt or judge_silence(str(error))
        if verdict.lives and runs:
            remember(context, subject, lives[0])
        if verdict.is_final or deadline.expired():
            return verdict
        doubt = verdict
        deadline.pause(domain_state.POLL_S)


def _unless_dumped(
    subject: Subject, status: Status | None, verdict: Verdict, deadline: Deadline
) -> Verdict:
    """The verdict, but of a guest that has crashed and whose memory libvirt is dumping."""
    if status is None or not has_crashed(status):
        return verdict
    # Here only, as the call itself: a guest that runs costs neither.
    from pmkvm.virt.job import dump_under_way

    try:
        dump, now = domain_state.command(
            subject,
            deadline,
            "asking for the job of",
            lambda domain: (dump_under_way(domain), domain.status()),
        )
    except (LibvirtError, DeadlineError):
        # A dump that begins is a job without figures yet: look again.
        return verdict._replace(is_final=False)
    # Where a dump has come to its end in between, libvirt may have restarted the guest.
    return judge_dump(dump) if dump else verdict._replace(is_final=has_crashed(now))


def run_monitor_scripts(context: Context, subject: Subject) -> None:
    """Raises OcfError for the first program that does not end with 0."""
    scripts = context.text("monitor_scripts").split()
    if not scripts:
        return
    # Starting processes is not on the way of a monitor without scripts.
    from pmkvm.run import run

    for script in scripts:
        done = run(
            [script],
            timeout_s=context.deadline.less(_SCRIPT_RESERVE_S).remaining(),
            environment={
                "DOMAIN_NAME": subject.identity.name,
                "OCF_RESOURCE_INSTANCE": context.instance,
            },
        )
        if done.rc != 0:
            said = (done.err or done.out).strip().rpartition("\n")[2]
            raise OcfError(OcfCode.GENERIC, f"monitor script {script} ended with {done.rc}: {said}")
