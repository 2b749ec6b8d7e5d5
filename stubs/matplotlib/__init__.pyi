# SPDX-License-Identifier: GPL-2.0-or-later
# As far as tests.measurements calls it.
from collections.abc import Mapping
from contextlib import AbstractContextManager

def rc_context(rc: Mapping[str, object] = ...) -> AbstractContextManager[None]: ...
