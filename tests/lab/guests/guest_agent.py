# SPDX-License-Identifier: GPL-2.0-or-later
"""Runs commands inside a full guest for the lab: guest_agent.py PORT. Standard library only.

One JSON object to a line, since a line that a migration tore is followed by a whole one, which
no length in front of it could promise. The lab's end may vanish and come back at any moment, and
asks again when in doubt; a command with an id that is known is not run again.

    lab: {"ask": "session"}                      guest: {"session": S}
    lab: {"run": ID, "session": S, "argv": [...], "stdin": TEXT or null, "timeout_s": N}
    guest: {"started": ID}, and in the end, or when asked again after it,
           {"done": ID, "rc": N, "out": TEXT, "err": TEXT} or {"done": ID, "error": TEXT}
    lab: {"forget": ID}                          its result has arrived
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import sys
import tempfile
import time
from typing import IO, Any

# While nobody is at the other end poll() says so at once, always: look only so often.
BACK_OFF_S = 0.05
IDLE_S = 1.0
WRITE_S = 10.0
READ_BYTES = 65536


class Command:
    """A program that runs; its output goes to files, which what it leaves behind may keep open."""

    def __init__(self, request: dict[str, Any]) -> None:
        self._ends_at = time.monotonic() + float(request["timeout_s"])
        self._out, self._err = _file(), _file()
        self._is_late = False
        with _file() as stdin:
            stdin.write((request["stdin"] or "").encode())
            stdin.seek(0)
            self._process = subprocess.Popen(
                request["argv"],
                stdin=stdin,
                stdout=self._out,
                stderr=self._err,
                start_new_session=True,
            )
        self.pidfd = os.pidfd_open(self._process.pid)

    def remaining_s(self) -> float:
        return max(0.0, self._ends_at - time.monotonic())

    def result(self) -> dict[str, Any] | None:
        """None while it runs; at its deadline its process group is killed."""
        if self._process.poll() is None:
            if self.remaining_s() == 0.0 and not self._is_late:
                self._is_late = True
                os.killpg(self._process.pid, signal.SIGKILL)
            return None
        os.close(self.pidfd)
        out, err = (self._text(file) for file in (self._out, self._err))
        if self._is_late:
            return {"error": f"killed at its deadline; it said: {(out + err).strip()}"}
        return {"rc": self._process.returncode, "out": out, "err": err}

    @staticmethod
    def _text(file: IO[bytes]) -> str:
        with file:
            file.seek(0)
            return file.read().decode(errors="replace")


def _file() -> IO[bytes]:
    return tempfile.TemporaryFile(dir="/run")


class Agent:
    """Reads requests from the port, runs commands side by side, answers."""

    def __init__(self, port: int) -> None:
        self._port = port
        self._has_peer = False
        self._received = bytearray()
        # Another one after a restart of the guest or of this program, which knows no old command.
        self._session = str(time.time_ns())
        self._running: dict[str, Command] = {}
        self._results: dict[str, dict[str, Any]] = {}

    def serve(self) -> None:
        while True:
            self._wait()
            self._read()
            for name in list(self._running):
                self._look_after(name)

    def _wait(self) -> None:
        poll = select.poll()
        limits_s = [BACK_OFF_S]
        if self._has_peer:
            poll.register(self._port, select.POLLIN)
            limits_s = [IDLE_S]
        for command in self._running.values():
            poll.register(command.pidfd, select.POLLIN)
            limits_s.append(command.remaining_s() + 0.01)
        poll.poll(min(limits_s) * 1000)

    def _read(self) -> None:
        try:
            data = os.read(self._port, READ_BYTES)
        except BlockingIOError:
            self._has_peer = True
            return
        self._has_peer = bool(data)
        self._received += data
        if b"\n" not in data:
            return
        *lines, self._received = self._received.split(b"\n")
        for line in lines:
            # What is left of a torn line is no JSON, or no object.
            with contextlib.suppress(ValueError):
                request = json.loads(line)
                if isinstance(request, dict):
                    self._obey(request)

    def _obey(self, request: dict[str, Any]) -> None:
        if request.get("ask") == "session":
            self._write({"session": self._session})
        elif "forget" in request:
            self._results[request["forget"]] = {"error": "forgotten"}
        elif "run" in request:
            self._run(request["run"], request)

    def _run(self, name: str, request: dict[str, Any]) -> None:
        if name not in self._running and name not in self._results:
            if request["session"] != self._session:
                self._results[name] = {"error": "meant for an earlier boot of this guest"}
            else:
                try:
                    self._running[name] = Command(request)
                except OSError as error:
                    self._results[name] = {"error": str(error)}
        if name in self._running:
            self._write({"started": name})
        else:
            self._write({"done": name, **self._results[name]})

    def _look_after(self, name: str) -> None:
        result = self._running[name].result()
        if result is not None:
            del self._running[name]
            self._results[name] = result
            self._write({"done": name, **result})

    def _write(self, answer: dict[str, Any]) -> None:
        """What cannot be sent is dropped: whoever wants it asks again."""
        # The line break in front ends what a migration tore.
        left = memoryview(b"\n" + json.dumps(answer).encode() + b"\n")
        ends_at = time.monotonic() + WRITE_S
        poll = select.poll()
        poll.register(self._port, select.POLLOUT)
        while left and time.monotonic() < ends_at:
            try:
                left = left[os.write(self._port, left) :]
            except BlockingIOError:
                events = poll.poll(1000)
                if events and events[0][1] & select.POLLHUP:
                    return


def main(argv: list[str]) -> int:
    Agent(os.open(argv[0], os.O_RDWR | os.O_NONBLOCK)).serve()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
