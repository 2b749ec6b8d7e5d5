# SPDX-License-Identifier: GPL-2.0-or-later
"""A guest's file system with our fencing programs in their places, where cluster-glue, Pacemaker
and the cluster shells look: laid over what is there, in a mount namespace of each command's own.
"""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from tests import tree

if TYPE_CHECKING:
    from collections.abc import Iterator

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="mount namespaces need root")

GLUE = "/usr/lib/stonith/plugins/external"
PROGRAMS = {
    "stonith.vm_stonith.external": f"{GLUE}/vm-stonith",
    "stonith.stonith_helper.external": f"{GLUE}/stonith-helper",
    "stonith.vm_stonith.fence_agent": "/usr/sbin/fence_vm_stonith",
    "stonith.stonith_helper.fence_agent": "/usr/sbin/fence_vm_helper",
}
PROGRAM = """\
#!{python} -I
import sys
sys.dont_write_bytecode = True
sys.path.insert(0, {root!r})
from pmkvm import settings
settings.RUN_DIR = {run_dir!r}
from {module} import main
sys.exit(main())
"""


class Guest:
    """run() is as in the guest; nothing of it is left behind."""

    def __init__(self, directory: Path) -> None:
        self.run_dir = directory / "run"
        for module, path in PROGRAMS.items():
            program = directory / "over" / path.lstrip("/")
            program.parent.mkdir(parents=True, exist_ok=True)
            text = PROGRAM.format(
                python=sys.executable, root=str(tree.ROOT), run_dir=str(self.run_dir), module=module
            )
            program.write_text(text, encoding="utf-8")
            program.chmod(0o755)
        self._mounts = [
            f"mount -t overlay overlay -o lowerdir={directory}/over{place}:{place} {place}"
            for place in sorted({str(Path(path).parent) for path in PROGRAMS.values()})
        ]

    def run(self, *argv: str, stdin: str = "", **env: str) -> subprocess.CompletedProcess[str]:
        script = " && ".join([*self._mounts, f"exec {shlex.join(argv)}"])
        return subprocess.run(
            ["unshare", "--mount", "sh", "-c", script],
            input=stdin,
            env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HA_LOGFACILITY": "none", **env},
            capture_output=True,
            text=True,
            timeout=180,
            check=False,
        )


@pytest.fixture(scope="module")
def guest() -> Iterator[Guest]:
    # Not pytest's directory: libstonith refuses what others may write to, and everyone must get in.
    with tempfile.TemporaryDirectory() as directory:
        Path(directory).chmod(0o755)
        yield Guest(Path(directory))
