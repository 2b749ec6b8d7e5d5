# SPDX-License-Identifier: GPL-2.0-or-later
"""The lab's power switch: kills hosts when a fence agent asks for it. fence_daemon.py DIRECTORY

One request at a time, so that of two hosts that shoot each other exactly one survives. It says
OK only to what it has seen: a host is off when its PID 1, and with it everything, is dead.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import socket
import sys
import time
from pathlib import Path

from pmkvm.errors import HaError
from tests.lab.cluster.fencing import Switch, paths
from tests.lab.lab import Lab

REQUEST_TIMEOUT_S = 2.0


def main(argv: list[str]) -> int:
    directory = argv[0]
    where = paths(directory)
    with contextlib.suppress(FileNotFoundError):
        os.unlink(where.socket)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(where.socket)
        listener.listen(16)
        while True:
            wire, _ = listener.accept()
            with wire:
                _serve(wire, directory)


def _serve(wire: socket.socket, directory: str) -> None:
    wire.settimeout(REQUEST_TIMEOUT_S)
    try:
        with wire.makefile(encoding="utf-8") as file:
            action, plug = file.readline().split()
        switch = Switch.load(directory)
        time.sleep(switch.delay_s)
        if _is_gone(wire):
            # The asker was killed by the other one's request; a switch must not obey the dead.
            return
        answer = "NG out of order" if plug in switch.refused else _carry_out(action, plug)
        _log(directory, action, plug, answer)
        wire.sendall(f"{answer}\n".encode())
        if action == "reboot" and answer == "OK" and switch.boots_again:
            Lab.load().boot_later(plug)
    except (OSError, ValueError) as error:
        print(f"request failed: {error}", file=sys.stderr, flush=True)


def _carry_out(action: str, plug: str) -> str:
    # The lab may have been told to boot a host since the last request: always the present state.
    lab = Lab.load()
    if action == "list":
        return "OK " + " ".join(host.name for host in lab.hosts)
    if action in ("monitor", "validate-all"):
        return "OK"
    host = next((host for host in lab.hosts if host.name == plug), None)
    if host is None:
        return f"NG no host {plug}"
    try:
        return _switch(lab, action, plug)
    except HaError as error:
        return "NG " + str(error).splitlines()[0]


def _switch(lab: Lab, action: str, plug: str) -> str:
    host = lab.host(plug)
    if action == "status":
        return "OK on" if host.is_alive() else "OK off"
    if action in ("off", "reboot"):
        host.kill()
        # What is off stays off: a test boots it when it wants to.
        return "NG it is still alive" if host.is_alive() else "OK"
    if action == "on":
        if not host.is_alive():
            lab.boot(host)
        return "OK"
    if action == "boot":
        # The answer is that it has power. Whether it boots, nobody who gives it power can tell.
        if not host.is_alive():
            lab.boot_later(plug)
        return "OK"
    return f"NG no action {action}"


def _is_gone(wire: socket.socket) -> bool:
    poll = select.poll()
    poll.register(wire, select.POLLHUP)
    return bool(poll.poll(0))


def _log(directory: str, action: str, plug: str, answer: str) -> None:
    if action in ("list", "monitor", "status", "validate-all"):
        return
    event = {"time": time.time(), "action": action, "host": plug, "answer": answer}
    with Path(paths(directory).log).open("a", encoding="utf-8") as file:
        file.write(json.dumps(event) + "\n")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
