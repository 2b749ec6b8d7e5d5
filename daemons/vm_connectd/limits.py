# SPDX-License-Identifier: GPL-2.0-or-later
"""How much of this daemon one guest may have, and all together. An honest one comes nowhere
near."""

from __future__ import annotations

OUTSTANDING_REQUESTS = 32
OUTSTANDING_BYTES = 65536

REQUESTS_PER_S = 20.0
REQUESTS_BURST = 100.0

# Of what is read from a guest, sense or not: above it its socket is left unread for a while.
READ_BYTES_PER_S = 65536.0
READ_BYTES_BURST = 262144.0
# A read costs us as much as so many bytes, be it of a single one.
READ_LEAST_BYTES = 512

# Above these its connection is ended: who asks too much is refused long before.
FRAMES_PER_S = 100.0
FRAMES_BURST = 400.0
GREETINGS_PER_S = 0.2
GREETINGS_BURST = 20.0

# Of this daemon's one thread, for all that guests say. The rest is for servers, libvirt and status.
GUESTS_SHARE = 0.5
# So many seconds of it at a time.
GUESTS_BURST_S = 0.02
# Who has used least in about this time comes first.
LATELY_S = 1.0

LOCAL_CONNECTIONS = 64
# A report on a thousand guests fits.
LOCAL_UNSENT_BYTES = 2097152

# So long before a request's end its client is told that nobody has it, if nobody has: it hears
# that in time then, since its own clock began earlier than ours.
ANSWER_MARGIN_S = 1.0
ANSWER_MARGIN_SHARE = 0.1


def answer_margin_s(seconds: float) -> float:
    return min(ANSWER_MARGIN_S, seconds * ANSWER_MARGIN_SHARE)
