# SPDX-License-Identifier: GPL-2.0-or-later
"""The tokens of 2011: a resource's id, encrypted so that a command of the host's can decrypt it.

The token comes from a guest. No shell sees it, and what the command yields is believed only if
it is fit to be an id. The passphrase is in no error and no repr().
"""

from __future__ import annotations

import re
import shlex

from daemons.vm_stonithd.intake import triple_des
from daemons.vm_stonithd.intake.grant import (
    MAX_TOKEN,
    Grant,
    TokenError,
    TokenOptionError,
    resource_id,
)
from pmkvm.errors import CommandError, CommandExhaustedError
from pmkvm.run import run

COMMAND_S = 5.0
_BASE64 = re.compile(r"[A-Za-z0-9+/]+={0,2}", re.ASCII)
_PRINTABLE = re.compile(r"[!-~]+", re.ASCII)
_MAX_EXIT_CODE = 255


class Decoder:
    """vm-stonithd's -c COMMAND, -i (is_on_stdin) and -e (success), as 2011 had them.

    Commands of the slides' form start no process. Raises TokenOptionError.
    """

    def __init__(self, command: str, *, is_on_stdin: bool = False, success: int = 0) -> None:
        try:
            self._argv = shlex.split(command)
        except ValueError as error:
            # The error's own text holds nothing of the command.
            raise TokenOptionError(f"-c can't be split into words: {error}") from error
        if not self._argv:
            raise TokenOptionError("-c is empty")
        if not 0 <= success <= _MAX_EXIT_CODE:
            raise TokenOptionError(f"-e is no exit code from 0 to {_MAX_EXIT_CODE}")
        self._is_on_stdin = is_on_stdin
        self._success = success
        self._form = triple_des.parse(self._argv)
        if self._form is not None:
            triple_des.check()

    @property
    def may_wait(self) -> bool:
        return self._form is None

    def read(self, token: str) -> Grant:
        """Raises TokenError, and ExhaustedError where the command can't be started now.

        Takes COMMAND_S at most, and that only if may_wait.
        """
        if len(token) > MAX_TOKEN:
            raise TokenError(f"the token has more than {MAX_TOKEN} characters")
        if self._form is not None:
            return Grant(triple_des.decrypt(self._form, token))
        return Grant(self._ask_command("".join(token.split())))

    def _ask_command(self, token: str) -> str:
        if self._is_on_stdin:
            _require(_PRINTABLE, token, "the token is no printable text")
            argv, stdin = self._argv, f"{token}\n"
        else:
            # It becomes an argument of a command: neither an option nor anything else.
            _require(_BASE64, token, "the token is not base64")
            argv, stdin = [*self._argv, token], None
        try:
            done = run(argv, timeout_s=COMMAND_S, stdin=stdin)
        except CommandExhaustedError:
            raise
        except CommandError as error:
            raise TokenError(f"the host's command for tokens fails: {error}") from error
        if done.rc != self._success:
            # Its own words could hold the passphrase.
            raise TokenError(
                f"the host's command for tokens ended with {done.rc}, not {self._success}"
            )
        return resource_id(done.out.encode())


def _require(pattern: re.Pattern[str], token: str, complaint: str) -> None:
    if not pattern.fullmatch(token):
        raise TokenError(complaint)
