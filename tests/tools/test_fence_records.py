# SPDX-License-Identifier: GPL-2.0-or-later
"""The file of what is recorded of fences, in logrotate's own hands."""

from __future__ import annotations

import stat
from typing import TYPE_CHECKING

from check.vm_check import fence_records
from daemons.vm_stonithd.host.record_file import append
from pmkvm import settings
from pmkvm.fencing import record
from pmkvm.fencing.record import PARTICIPANT, Record
from pmkvm.run import run
from tests import tree

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SOURCE = tree.ROOT / "rpm" / "pm_kvm_tools.logrotate"
ONE = Record(10.0, "host1", PARTICIPANT, "reset", "guest2", "OK", "no QEMU here", ban="b1")


def test_a_rotation_loses_no_record(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Also where the distribution's logrotate puts dates into names."""
    path = tmp_path / "fences.jsonl"
    monkeypatch.setattr(settings, "FENCE_RECORDS", str(path))
    monkeypatch.setattr(settings, "FENCE_RECORDS_BEFORE", f"{path}.1")
    snippet = SOURCE.read_text(encoding="utf-8")
    assert "/var/log/vm-stonithd-fences.jsonl {" in snippet
    conf = tmp_path / "conf"
    ours = snippet.replace("/var/log/vm-stonithd-fences.jsonl", str(path))
    conf.write_text(f"dateext\nsu root root\n{ours}")
    conf.chmod(0o644)
    argv = ["logrotate", "--force", "--state", str(tmp_path / "state"), str(conf)]
    wanted = [ONE._replace(target=f"guest{number}") for number in range(4)]
    for each in wanted:
        append(str(path), record.encode(each).encode())
        if each != wanted[-1]:
            done = run(argv, timeout_s=30)
            assert done.rc == 0, done
            assert not path.exists()
    names = sorted(each.name for each in tmp_path.glob("fences*"))
    assert names == [path.name, f"{path.name}.1", f"{path.name}.2.gz", f"{path.name}.3.gz"]
    found = fence_records.read().values()
    assert sorted(each.target for each in found) == [each.target for each in wanted[-2:]]
    modes = {stat.S_IMODE(each.stat().st_mode) for each in tmp_path.glob("fences*")}
    assert modes == {0o600}
