# SPDX-License-Identifier: GPL-2.0-or-later
"""What a host's BMC starts for each order: bmc_chassis.py SOCKET LOG HOST get|set WHAT [VALUE]

It has the fencing daemon look or switch, as a BMC is in no network of this machine. A power that is
taken away is gone when the BMC answers; a host that gets it boots afterwards. As the lab's switch
does it, a reset leaves the host off until a test boots it.
"""

from __future__ import annotations

import json
import socket
import sys

TIMEOUT_S = 15.0
# The simulator's words for what ipmitool asks, and the daemon's.
ORDERS = {
    "get power": "status",
    "set power 0": "off",
    "set reset 1": "reboot",
    "set power 1": "boot",
}


def main(argv: list[str]) -> int:
    path, log, host, *words = argv
    order = ORDERS.get(" ".join(words))
    answer = "NG not simulated" if order is None else _ask(path, f"{order} {host}")
    if order == "status":
        return _print_power(answer)
    with open(log, "a", encoding="utf-8") as file:
        file.write(json.dumps([host, order or " ".join(words), answer]) + "\n")
    return 0 if answer == "OK" else 1


def _print_power(answer: str) -> int:
    """What the daemon can't say, the BMC does not say either."""
    powers = {"OK on": "power:1", "OK off": "power:0"}
    if answer not in powers:
        return 1
    print(powers[answer])
    return 0


def _ask(path: str, question: str) -> str:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(TIMEOUT_S)
        wire.connect(path)
        wire.sendall(question.encode() + b"\n")
        with wire.makefile(encoding="utf-8") as answer:
            return answer.readline().strip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
