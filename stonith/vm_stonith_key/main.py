# SPDX-License-Identifier: GPL-2.0-or-later
"""vm-stonith-key: makes keys and tokens on a host. It changes this host's key file alone."""

from __future__ import annotations

import os
import sys
import time

from pmkvm import output, settings
from pmkvm.deadline import Deadline
from pmkvm.errors import HaError
from pmkvm.files import Lock
from pmkvm.tokens import ring as rings
from pmkvm.tokens.ring import Ring, State
from stonith.vm_stonith_key import command_line, hosts, members, paste, rotation

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from stonith.vm_stonith_key.command_line import Request
    from stonith.vm_stonith_key.hosts import Host

CLUSTER_S = 20.0
LOCK_S = 5.0


class RefusedError(HaError):
    """What was asked for is not done; problems has a line for each reason."""

    def __init__(self, problems: Sequence[str]) -> None:
        super().__init__("; ".join(problems))
        self.problems = problems


def main(argv: Sequence[str] | None = None) -> int:
    """0: done; 1: refused or failed."""
    request = command_line.parse(sys.argv[1:] if argv is None else argv)
    try:
        output.write(_VERBS[request.verb](request))
    except RefusedError as error:
        problems: Sequence[str] = error.problems
    except (HaError, OSError) as error:
        problems = [str(error)]
    else:
        return 0
    for problem in problems:
        sys.stderr.write(f"vm-stonith-key: {problem}\n")
    return 1


def _create(request: Request) -> str:
    with _locked():
        if os.path.lexists(request.file):
            raise RefusedError([f"{request.file} is there already: see rotate"])
        made = rings.new_key(State.SEALS)
        rings.store(request.file, Ring((made,)))
    return (
        f"{request.file}: key {made.id}\n"
        "Copy it to all other hosts (root, mode 0600); `vm-stonith-key list` says who has it.\n"
    )


def _list(request: Request) -> str:
    ring, found, now = rings.load(request.file), hosts.query(Deadline(CLUSTER_S)), time.time()
    silent = [host.silence(now) for host in found if host.silence(now)]
    return "".join(f"{line}\n" for line in (*rotation.table(ring, found, now), *silent))


def _rotate(request: Request) -> str:
    with _locked():
        ring = rings.load(request.file)
        step = rotation.next_step(ring, _hosts(request), time.time())
        _refuse(step.obstacles.those(force=request.force), request)
        rings.store(request.file, step.ring)
    return f"{step.done}\nNext: {step.then}.\n"


def _token(request: Request) -> str:
    from pmkvm.pacemaker import cib

    key = rings.load(request.file).sealing
    found = _hosts(request)
    _refuse(rotation.lacking(key.id, found, time.time()).those(force=request.force), request)
    cluster = members.read(cib.query(Deadline(CLUSTER_S)), Deadline(CLUSTER_S))
    named = members.find(request.cluster, cluster)
    listed = paste.hostlist(named, cluster.name, request.operations, key)
    for member in named:
        if not member.guest.has_port:
            sys.stderr.write(f"vm-stonith-key: warning: {paste.without_port(member)}\n")
    return paste.text(named, listed)


def _hosts(request: Request) -> tuple[Host, ...]:
    """With --force none is known where no cluster runs."""
    try:
        return hosts.query(Deadline(CLUSTER_S))
    except HaError:
        if not request.force:
            raise
        return ()


def _refuse(problems: Sequence[str], request: Request) -> None:
    if problems:
        hint = [] if request.force else ["what is not known (and no more) --force passes over"]
        raise RefusedError([*problems, *hint])


def _locked() -> Lock:
    os.makedirs(settings.RUN_DIR, mode=0o755, exist_ok=True)
    return Lock(os.path.join(settings.RUN_DIR, "vm-stonith-key.lock"), Deadline(LOCK_S))


_VERBS: dict[str, Callable[[Request], str]] = {
    "create": _create,
    "list": _list,
    "rotate": _rotate,
    "token": _token,
}

if __name__ == "__main__":
    sys.exit(main())
