# SPDX-License-Identifier: GPL-2.0-or-later
"""fence_vm_stonith: the face for Pacemaker's fencer.

A target is never taken for off, or a fence for done, but by vm-stonithd's own words.
"""

from __future__ import annotations

import sys
import time

from pmkvm.deadline import Deadline
from stonith.plugin import fence_agent, parameters
from stonith.plugin.fence_agent import DONE, FAILED, IS_OFF
from stonith.plugin.parameters import ParameterError
from stonith.vm_stonith.options import NAME, OPTIONS

TYPE_CHECKING = False
if TYPE_CHECKING:
    from stonith.plugin.answer import Answer, Operation
    from stonith.plugin.fence_agent import Call
    from stonith.plugin.fence_texts import Texts
    from stonith.plugin.parameters import Device, Entry

_FENCES: dict[str, tuple[Operation, str]] = {
    "on": ("on", "Success: Powered ON"),
    "off": ("off", "Success: Powered OFF"),
    "reboot": ("reset", "Success: Rebooted"),
}


def _fence(call: Call) -> int:
    from stonith.vm_stonith import request

    device, delay_s = _device(call), _delay_s(call)
    entry = _target(call, device)
    operation, success = _FENCES[call.action]
    if operation != "on":
        time.sleep(delay_s)
    answered = request.fence(operation, entry, Deadline(device.timeout_s), call.journal)
    if not answered.is_ok:
        call.journal.complain(f"{call.action} of {entry.host}: {answered}")
        return FAILED
    call.print(success)
    return DONE


def _status(call: Call) -> int:
    device = _device(call)
    entry = _target(call, device)
    answered = _ask(call, entry, Deadline(device.timeout_s))
    if not answered.is_ok or not answered.power:
        known = "the host does not say" if answered.is_ok else answered
        call.journal.complain(f"status of {entry.host}: {known}")
        return FAILED
    call.print(f"Status: {answered.power.upper()}")
    return DONE if answered.power == "on" else IS_OFF


def _monitor(call: Call) -> int:
    """All the way to vm-stonithd, with each token."""
    device = _device(call)
    deadline = Deadline(device.timeout_s)
    answers = [(entry, _ask(call, entry, deadline)) for entry in device.entries]
    for entry, answered in answers:
        if not answered.is_ok:
            call.journal.complain(f"monitor, {entry.host}: {answered}")
    return DONE if all(answered.is_ok for _, answered in answers) else FAILED


def _list(call: Call) -> int:
    """What can be fenced; known while the hosts can't be reached, too."""
    for entry in _device(call).entries:
        call.print(f"{entry.host},")
    return DONE


def _list_status(call: Call) -> int:
    device = _device(call)
    deadline = Deadline(device.timeout_s)
    for entry in device.entries:
        answered = _ask(call, entry, deadline)
        power = answered.power.upper() if answered.is_ok and answered.power else "UNKNOWN"
        call.print(f"{entry.host},,{power}")
    return DONE


def _validate(call: Call) -> int:
    device = _device(call)
    if call.target:
        _target(call, device)
    return DONE


def _ask(call: Call, entry: Entry, deadline: Deadline) -> Answer:
    from stonith.vm_stonith import request

    return request.ask("status", entry, deadline, call.journal)


def _device(call: Call) -> Device:
    """Each action wants all parameters to be good. Raises ParameterError."""
    device = parameters.device(call.values)
    _delay_s(call)
    return device


def _target(call: Call, device: Device) -> Entry:
    """Raises ParameterError."""
    entry = device.find(call.target)
    if entry is None:
        raise ParameterError(
            f"{call.target}: there is no such guest in hostlist"
            if call.target
            else "plug is not set"
        )
    return entry


def _delay_s(call: Call) -> float:
    """Raises ParameterError."""
    seconds = parameters.seconds(call.values.get("delay") or "0")
    if seconds is None:
        raise ParameterError(f"delay is no number of seconds up to {parameters.LONGEST_S:.0f}")
    return seconds


def _texts() -> Texts:
    from stonith.vm_stonith.texts import TEXTS

    return TEXTS


AGENT = fence_agent.Agent(
    NAME,
    OPTIONS,
    {
        **dict.fromkeys(_FENCES, _fence),
        "status": _status,
        "monitor": _monitor,
        "list": _list,
        "list-status": _list_status,
        "validate-all": _validate,
    },
    _texts,
)


def main() -> int:
    return fence_agent.main(AGENT)


if __name__ == "__main__":
    sys.exit(main())
