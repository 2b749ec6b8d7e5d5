# SPDX-License-Identifier: GPL-2.0-or-later
"""external/vm-stonith: the face for cluster-glue. Parameters come under their bare names by the
environment; what else is in there, as priority and stonith-timeout of the slides, is not ours.
"""

from __future__ import annotations

import os
import sys

from pmkvm import within
from stonith import glue
from stonith.vm_stonith import parameters
from stonith.vm_stonith.journal import Journal
from stonith.vm_stonith.parameters import ParameterError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence
    from typing import TextIO

    from stonith.vm_stonith.answer import Operation
    from stonith.vm_stonith.parameters import Device

NAME = "external/vm-stonith"
_FENCES: dict[str, Operation] = {"on": "on", "off": "off", "reset": "reset"}


def run(argv: Sequence[str], env: Mapping[str, str], stdout: TextIO, stderr: TextIO) -> int:
    # libstonith's own tag, stonith/external/vm-stonith.
    journal = Journal(env.get("HA_LOGTAG") or NAME, env, stderr)
    action = argv[0] if argv else ""
    if action in _WORDS_ABOUT_IT:
        print(_WORDS_ABOUT_IT[action](), file=stdout)
        return glue.DONE
    if action not in (*_FENCES, "gethosts", "status"):
        journal.complain(f"usage: {' | '.join((*_FENCES, 'gethosts', 'status', *_WORDS_ABOUT_IT))}")
        return glue.FAILED
    try:
        device = parameters.device(env)
    except ParameterError as error:
        journal.complain(str(error))
        return glue.NOT_CONFIGURED
    if action == "gethosts":
        print("\n".join(entry.host for entry in device.entries), file=stdout)
        return glue.DONE
    if action == "status":
        return _status(device, journal)
    return _fence(_FENCES[action], argv[1] if len(argv) > 1 else "", device, journal)


def _fence(operation: Operation, host: str, device: Device, journal: Journal) -> int:
    from pmkvm.deadline import Deadline
    from stonith.vm_stonith import request

    entry = device.find(host)
    if entry is None:
        journal.complain(f"{host or 'no name'}: there is no such guest in hostlist")
        return glue.FAILED
    answered = request.fence(operation, entry, Deadline(device.timeout_s), journal)
    if not answered.is_ok:
        journal.complain(f"{operation} of {entry.host}: {answered}")
        return glue.FAILED
    return glue.DONE


def _status(device: Device, journal: Journal) -> int:
    """Whether the hosts would take each of the tokens."""
    from pmkvm.deadline import Deadline
    from stonith.vm_stonith import request

    deadline = Deadline(device.timeout_s)
    bad = 0
    for entry in device.entries:
        answered = request.ask("status", entry, deadline, journal)
        if not answered.is_ok:
            bad += 1
            journal.complain(f"status of {entry.host}: {answered}")
    return glue.FAILED if bad else glue.DONE


_WORDS_ABOUT_IT: dict[str, Callable[[], str]] = {
    "getconfignames": lambda: "\n".join(parameter.name for parameter in parameters.SHARED),
    "getinfo-devid": lambda: "vm-stonith",
    "getinfo-devname": lambda: "vm-stonith: a guest of a cluster of hosts",
    "getinfo-devdescr": lambda: (
        "Fences a guest through the cluster of the hosts, wherever there it runs. The hosts run\n"
        "vm-connectd and vm-stonithd, the guests vm-connectd; no network between them is needed."
    ),
    "getinfo-devurl": lambda: parameters.VENDOR_URL,
    "getinfo-xml": lambda: glue.xml(parameters.SHARED),
}


def main() -> int:
    code = run(sys.argv[1:], os.environ, sys.stdout, sys.stderr)
    if within.abandoned():
        sys.stdout.flush()
        os._exit(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
