#!/usr/bin/python3 -I
# SPDX-License-Identifier: GPL-2.0-or-later
"""The fence agent of the lab's hosts: asks the fencing daemon outside, over a unix socket.

The agent's contract: options on stdin as name=value; exit 0, 1, and 2 for "status: off".
"""

from __future__ import annotations

import socket
import sys

SOCKET = "/mnt/fence/socket"
TIMEOUT_S = 20.0

METADATA = """<?xml version="1.0" ?>
<resource-agent name="fence_lab" shortdesc="Fence agent of the test lab">
  <longdesc>Kills a host of the lab, through the lab's fencing daemon.</longdesc>
  <parameters>
    <parameter name="action" unique="0" required="1">
      <getopt mixed="-o, --action=[action]"/>
      <content type="string" default="reboot"/>
      <shortdesc lang="en">Fencing action</shortdesc>
    </parameter>
    <parameter name="plug" unique="0" required="0" obsoletes="port">
      <getopt mixed="-n, --plug=[name]"/>
      <content type="string"/>
      <shortdesc lang="en">Name of the host</shortdesc>
    </parameter>
  </parameters>
  <actions>
    <action name="on" automatic="0"/>
    <action name="off"/>
    <action name="reboot"/>
    <action name="status"/>
    <action name="list"/>
    <action name="monitor"/>
    <action name="metadata"/>
    <action name="validate-all"/>
  </actions>
</resource-agent>
"""


def main() -> int:
    options = _options()
    action = options.get("action", "reboot")
    if action == "metadata":
        print(METADATA)
        return 0
    plug = options.get("plug") or options.get("port") or options.get("nodename") or "-"
    try:
        result, _, rest = _ask(f"{action} {plug}").partition(" ")
    except OSError as error:
        return _fail(f"{SOCKET}: {error}")
    if result != "OK":
        return _fail(rest or "no answer")
    if action == "list":
        print("\n".join(f"{name}," for name in rest.split()))
    return 2 if action == "status" and rest == "off" else 0


def _options() -> dict[str, str]:
    pairs = (line.strip().partition("=") for line in sys.stdin)
    return {name.strip(): value.strip() for name, sign, value in pairs if sign}


def _ask(question: str) -> str:
    with socket.socket(socket.AF_UNIX) as wire:
        wire.settimeout(TIMEOUT_S)
        wire.connect(SOCKET)
        wire.sendall(question.encode() + b"\n")
        with wire.makefile(encoding="utf-8") as answer:
            return answer.readline().strip()


def _fail(reason: str) -> int:
    print(reason, file=sys.stderr)
    return 1


if __name__ == "__main__":
    sys.exit(main())
