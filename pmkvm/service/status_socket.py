# SPDX-License-Identifier: GPL-2.0-or-later
"""--status: asking a daemon on its unix socket. Its own end is pmkvm.service.teller.

Monitors ask too, so nothing is loaded here that a short-lived program could do without.
"""

from __future__ import annotations

import socket

from pmkvm.errors import DeadlineError, HaError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from pmkvm.deadline import Deadline

# How a report begins that could not be made.
FAILED = "error: "
# A report of a host with a hundred pending stops and a hundred fences is a tenth of it.
_LONGEST = 1 << 20


class StatusError(HaError):
    """No such daemon listens on this host, or it can't tell."""


def ask(program: str, path: str, deadline: Deadline) -> str:
    """What the running one says. program is its name, for errors. Raises HaError."""
    parts: list[bytes] = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            _limit(connection, deadline)
            connection.connect(path)
            while True:
                _limit(connection, deadline)
                part = connection.recv(65536)
                if not part:
                    break
                parts.append(part)
                if sum(map(len, parts)) > _LONGEST:
                    raise StatusError(f"{path}: what answers there is no {program}")
        except socket.timeout as error:
            raise DeadlineError(f"{program} does not answer") from error
        except PermissionError as error:
            raise StatusError(f"only root may ask {program} ({path})") from error
        except OSError as error:
            raise StatusError(f"{program} does not run ({path}: {error.strerror})") from error
    text = b"".join(parts).decode(errors="replace").strip()
    if not text or text.startswith(FAILED):
        raise StatusError(f"{program} can't tell: {text or 'it hung up'}")
    return text


def _limit(connection: socket.socket, deadline: Deadline) -> None:
    """Raises socket.timeout when the time is over: 0 would mean not to wait, None for ever."""
    remaining_s = deadline.remaining()
    if remaining_s <= 0.0:
        raise socket.timeout
    connection.settimeout(remaining_s)
