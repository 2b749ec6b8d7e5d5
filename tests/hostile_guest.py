# SPDX-License-Identifier: GPL-2.0-or-later
"""What a guest that belongs to an enemy says to its host: a table of kinds, each without end.

Runs in a guest too, as `python3 -c SOURCE PORT KIND SECONDS [TOKEN]`: standard library only.
"""

from __future__ import annotations

import itertools
import json
import os
import select
import socket
import stat
import sys
import time

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

MARKER = b"\xffPMKVM1\xff"
READ_BYTES = 65536
# A connection that was ended is made anew by the host: then all begins with a greeting again.
GREET_EVERY_S = 2.0
WAIT_S = 0.05
SMALLEST_PAUSE_S = 0.0002

TEXTS = (
    "$(reboot) `reboot` ; reboot & | > /etc/passwd",
    '"/><primitive id="x" class="ocf" provider="heartbeat" type="Dummy"/>',
    "']|//*[@id='x",
    "%s%n{0}{request.__class__}",
    "../../../etc/shadow",
    "--help -c/bin/sh",
    "A" * 4000,
    "\x1b[2J\x1b[31mroot\x07",
    "reset\nNov 22 12:00:00 host1 vm-stonithd: OK",
    "reset x\r\n<3>panic",
    "\u202egnp.exe\u2028\u0085",
    "\ud800",
    "\0",
)


def frame(payload: bytes) -> bytes:
    return len(payload).to_bytes(4, "big") + payload


def said(kind: str, **fields: object) -> bytes:
    """A frame of any fields; half characters go out as JSON's escapes."""
    text = json.dumps({"type": kind, **fields}, separators=(",", ":"))
    return frame(text.encode())


def asked(number: object, body: str = "status nonsense", **more: object) -> bytes:
    fields = {"service": "stonith", "id": f"id-{number}", "seconds": 9, "body": body}
    return said("request", **{**fields, **more})


def hello(program: str = "hostile 1") -> bytes:
    return MARKER + said("hello", versions=[1, 1], program=program)


def _endless(*speech: bytes) -> Callable[[str], Iterator[bytes]]:
    return lambda _token: itertools.cycle(speech)


def _requests(_token: str) -> Iterator[bytes]:
    return (asked(number) for number in itertools.count())


def _largest(_token: str) -> Iterator[bytes]:
    return (asked(number, "status " + "x" * 32000) for number in itertools.count())


def _names_a_target(token: str) -> Iterator[bytes]:
    operations = ("reset", "off", "on", "status", "list", "reboot", "explode")
    for number, operation in enumerate(itertools.cycle(operations)):
        yield asked(number, f"{operation} {token}")


def _asks_for_status(token: str) -> Iterator[bytes]:
    return (asked(number, f"status {token}") for number in itertools.count())


def _hoards(token: str) -> Iterator[bytes]:
    """As many as are taken, for as long as is allowed."""
    for number in itertools.count():
        yield asked(number, f"status {token}" if number % 2 else "x" * 2000, seconds=3600)


def _is_brief(token: str) -> Iterator[bytes]:
    return (asked(n, f"reset {token}", seconds=1e-9) for n in itertools.count())


def _writes_texts(_token: str) -> Iterator[bytes]:
    """Into every field; after the harmless ones the connection ends."""
    for number in itertools.count():
        text = TEXTS[number % len(TEXTS)]
        yield asked(text[:100])
        yield asked(number, f"reset {text}")
        yield asked(number, text)
        yield said(f"{text}"[:90], service=text)
        yield asked(number, service=text)
        yield asked(number, seconds=text)
        yield hello(text[:100])


def _greets_with_texts(_token: str) -> Iterator[bytes]:
    for text in itertools.cycle(TEXTS):
        yield hello(text[:100])


# What it says, by its name; a token is of use to the kinds that name one.
KINDS: Mapping[str, Callable[[str], Iterator[bytes]]] = {
    "claims to be another": _endless(
        asked(1, sender={"uuid": "1", "pid": 1, "start_time": 1, "domain": "g", "resource": "g"})
    ),
    "names a route": _endless(asked(1, route=1)),
    "registers as a server": _endless(said("register", service="stonith")),
    "replies as a server": _endless(said("reply", service="stonith", id="1", route=1, body="OK")),
    "asks for status of the daemon": _endless(said("status")),
    "sends a huge frame": _endless(b"\x7f\xff\xff\xff" + b"x" * 4096),
    "sends the largest frames": _largest,
    "truncates": _endless(b"\x00\x00\x01\x00" + b"{" * 20 + MARKER),
    "has no end": _endless(b"\x00\x00\xff\xff" + b'{"type":"request","body":"' * 1000),
    "sends no sense": _endless(bytes(range(256)) * 16),
    "nests deeply": _endless(frame(b"[" * 60000)),
    "is slow": _endless(*(bytes([each]) for each in asked("1" * 100))),
    "floods": _requests,
    "floods with one request": _endless(asked(1)),
    "floods with greetings": _endless(hello()),
    "floods with echoes": _endless(said("echo", id="1")),
    "floods with markers": _endless(MARKER * 512),
    "greets with texts": _greets_with_texts,
    "writes texts": _writes_texts,
    "reads no answer": _requests,
    "has a stolen token": _names_a_target,
    "has a token and floods": _asks_for_status,
    "hoards": _hoards,
    "is brief": _is_brief,
}
_DEAF = "reads no answer"
_SLOW = "is slow"


def speak(path: str, kind: str, seconds: float, token: str = "") -> int:
    """Write to the port as fast as it takes it; the number of bytes that it took."""
    end = time.monotonic() + seconds
    port = _open(path)
    pieces = KINDS[kind](token)
    waiting, written, greeted = b"", 0, float("-inf")
    while (now := time.monotonic()) < end:
        if not waiting:
            is_greeting = now - greeted > GREET_EVERY_S
            greeted = now if is_greeting else greeted
            waiting = hello() if is_greeting else _more(pieces, kind)
        try:
            count = os.write(port, waiting)
        except OSError:
            # Nobody takes it now, or nobody is there.
            select.select([], [port], [], WAIT_S)
            count = 0
            time.sleep(SMALLEST_PAUSE_S)
        written += count
        waiting = waiting[count:]
        if kind == _SLOW:
            time.sleep(SMALLEST_PAUSE_S)
        if kind != _DEAF:
            _read(port)
    os.close(port)
    return written


def _more(pieces: Iterator[bytes], kind: str) -> bytes:
    """Small frames go out together, as a program's would that means harm."""
    return next(pieces) if kind == _SLOW else b"".join(itertools.islice(pieces, 16))


def _open(path: str) -> int:
    if stat.S_ISSOCK(os.stat(path).st_mode):
        connection = socket.socket(socket.AF_UNIX)
        connection.connect(path)
        connection.setblocking(False)
        return connection.detach()
    return os.open(path, os.O_RDWR | os.O_NONBLOCK)


def _read(port: int) -> None:
    try:
        while len(os.read(port, READ_BYTES)) == READ_BYTES:
            pass
    except OSError:
        return


def main(argv: list[str]) -> int:
    path, kind, seconds, *token = argv
    sys.stdout.write(f"{speak(path, kind, float(seconds), *token)}\n")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
