# SPDX-License-Identifier: GPL-2.0-or-later
"""What `make install` leaves on a host, and that its stubs do what they are there for."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from pmkvm import settings
from pmkvm.version import VERSION
from tests import tree, tree_files

INSTALL = tree.ROOT / "rpm" / "install.py"
AGENT = "usr/lib/ocf/resource.d/extra/VirtualDomain"
EPOCH = 1600000000


def install(destdir: Path, *options: str, hash_seed: str = "0") -> Path:
    """Install below destdir, with the stubs' own private directory there too, so that they run."""
    subprocess.run(
        [sys.executable, "-B", str(INSTALL), f"--destdir={destdir}", *options],
        env={"SOURCE_DATE_EPOCH": str(EPOCH), "PYTHONHASHSEED": hash_seed},
        check=True,
        timeout=60,
    )
    return destdir


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return install(tmp_path_factory.mktemp("root"))


@pytest.fixture
def relocated(tmp_path: Path) -> Path:
    """An installation that runs where it is: its stubs name this Python and this directory."""
    root = tmp_path / "root"
    return install(root, f"--python={sys.executable}", f"--root={root}") / AGENT


def files(root: Path) -> set[str]:
    return {str(path.relative_to(root)) for path in root.rglob("*") if path.is_file()}


def is_program(path: Path) -> bool:
    is_agent = path.parent.parent.name == "resource.d"
    return is_agent or path.parent.name in ("sbin", "external")


def private(root: Path) -> Path:
    """The directory of the one version that is installed there."""
    (found,) = (root / settings.PRIVATE_DIR.lstrip("/")).iterdir()
    return found


def run(argv: list[str], **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        argv, env=environment, capture_output=True, text=True, timeout=30, check=False
    )


def test_the_stub_is_what_the_table_says(root: Path) -> None:
    place = f"/{private(root).relative_to(root)}"
    assert place.startswith(f"{settings.PRIVATE_DIR}/{VERSION}-")
    assert (root / AGENT).read_text(encoding="utf-8").splitlines() == [
        "#!/usr/bin/python3 -IS",
        "import site, sys",
        "sys.dont_write_bytecode = True",
        f'sys.path[:] = ["{place}", *sys.path, *site.getsitepackages()]',
        "from agents.virtual_domain.agent import main",
        "sys.exit(main())",
    ]


def test_a_stub_of_debians_looks_first_for_the_copy_of_its_version(tmp_path: Path) -> None:
    """dpkg removes the modules before the programs that name them are replaced."""
    root = install(tmp_path, "--kept")
    place = f"/{private(root).relative_to(root)}"
    lines = (root / AGENT).read_text(encoding="utf-8").splitlines()
    named = f'"{place}.kept", "{place}"'
    assert f"sys.path[:] = [{named}, *sys.path, *site.getsitepackages()]" in lines


def test_every_module_is_there_compiled_and_nothing_else_is(root: Path) -> None:
    modules = {str(path.relative_to(tree.ROOT)) for path in tree_files.sources(tree.ROOT)}
    shipped = {path for path in modules if path.partition("/")[0] in (tree.LIBRARY, *tree.PROGRAMS)}
    installed = files(private(root))
    tag = sys.implementation.cache_tag
    compiled = {
        f"{parent}/__pycache__/{name}.{tag}.pyc"
        for parent, _, name in (path[: -len(".py")].rpartition("/") for path in shipped)
    }
    assert installed == shipped | compiled
    assert not any("tests" in path for path in installed)


def test_modes_and_times_do_not_depend_on_who_builds(root: Path) -> None:
    secret = root / os.path.dirname(settings.STONITH_KEY).lstrip("/")
    for path in root.rglob("*"):
        is_executable = path.is_dir() or is_program(path)
        mode = 0o700 if path == secret else 0o755 if is_executable else 0o644
        assert stat.S_IMODE(path.stat().st_mode) == mode, path
        if path.is_file():
            assert path.stat().st_mtime == EPOCH, path


def test_no_name_that_others_can_foresee_is_written_to(tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_text("untouched", encoding="utf-8")
    programs = tmp_path / "root" / "usr" / "sbin"
    programs.mkdir(parents=True)
    (programs / ".vm-ctl.new").symlink_to(victim)
    install(tmp_path / "root")
    assert victim.read_text(encoding="utf-8") == "untouched"
    assert not (programs / "vm-ctl").is_symlink()


def test_every_program_has_a_function_to_call(root: Path) -> None:
    modules = tree.read(tree.ROOT)
    stubs = [path for path in root.rglob("*") if is_program(path)]
    assert stubs
    for stub in stubs:
        line = stub.read_text(encoding="utf-8").splitlines()[4]
        name = line.split()[1]
        assert name in modules, f"{stub.name}: there is no module {name}"
        assert "def main(" in modules[name].path.read_text(encoding="utf-8")


def test_two_builds_are_alike_whatever_the_hash_seed(root: Path, tmp_path: Path) -> None:
    # The order of a set in bytecode follows the seed before 3.11, so make fixes it.
    seed = "0" if sys.version_info < (3, 11) else "1"
    again = install(tmp_path, hash_seed=seed)
    assert files(again) == files(root)
    for path in files(root):
        assert (again / path).read_bytes() == (root / path).read_bytes(), path


def test_bytecode_is_used_whatever_the_times_and_not_when_the_module_was_changed(
    relocated: Path,
) -> None:
    private_dir = private(relocated.parents[5])
    for path in private_dir.rglob("*.py"):
        os.utime(path, (1, 1))
    argv = [str(relocated), "usage"]
    assert "matches" in run([sys.executable, "-v", *argv]).stderr
    assert run(argv).returncode == 0
    module = private_dir / "agents" / "virtual_domain" / "agent.py"
    module.write_text("def main():\n    return 42\n", encoding="utf-8")
    assert run(argv).returncode == 42


def test_a_stub_ignores_the_callers_environment_and_directory(
    relocated: Path, tmp_path: Path
) -> None:
    for name in ("enum.py", "pmkvm.py", "agents.py"):
        (tmp_path / name).write_text("raise SystemExit(99)", encoding="utf-8")
    done = subprocess.run(
        [str(relocated), "usage"],
        cwd=tmp_path,
        env={"PYTHONPATH": str(tmp_path), "PYTHONSTARTUP": str(tmp_path / "enum.py")},
        capture_output=True,
        timeout=30,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def other_pythons() -> list[str]:
    """Pythons for which the installed modules are not compiled."""
    ours = f"{sys.version_info[0]}.{sys.version_info[1]}"
    finder = str(tree.ROOT / ".ci" / "python")
    others = [version for version in ("3.9", "3.11", "3.12", "3.13") if version != ours]
    environment = {"PATH": os.environ["PATH"], "HOME": str(Path.home())}
    return [done for one in others if (done := run([finder, one], **environment).stdout.strip())]


def test_a_stub_leaves_nothing_behind_under_another_python(relocated: Path, tmp_path: Path) -> None:
    before = files(tmp_path)
    others = other_pythons()
    if not others:
        pytest.skip("no second Python here")
    for python in others:
        done = run([python, str(relocated), "usage"])
        assert done.returncode == 0, done.stderr
    assert files(tmp_path) == before


def test_site_packages_under_lib64_can_be_imported_by_a_stub() -> None:
    """The stub asks site, which knows what this Python calls its platform library."""
    code = "import site, sysconfig; print(sysconfig.get_path('platlib') in site.getsitepackages())"
    # Not the one of a virtual environment, which a stub never runs in.
    python = os.path.realpath(sys.executable)
    assert run([python, "-IS", "-c", code]).stdout == "True\n"


def test_a_guests_daemon_starts_with_its_port_and_ends_with_it(root: Path) -> None:
    unit = (root / "usr/lib/systemd/system/vm-connectd.service").read_text(encoding="utf-8")
    rule = (root / "usr/lib/udev/rules.d/90-vm-connectd.rules").read_text(encoding="utf-8")
    # systemd.unit(5): "/" becomes "-", and what was a dash "\x2d".
    escaped = settings.GUEST_PORT.lstrip("/").replace("-", "\\x2d").replace("/", "-")
    for directive in ("BindsTo", "After"):
        assert f"{directive}={escaped}.device" in unit.splitlines()
    assert "ExecStart=/usr/sbin/vm-connectd -t guest" in unit.splitlines()
    # Where it is enabled, a boot without the port waits for it in vain.
    assert "[Install]" not in unit
    # Before Linux 6.5 it asks by netlink who is at its socket, and refuses all if it may not.
    assert "RestrictAddressFamilies=AF_UNIX AF_NETLINK" in unit.splitlines()
    assert f'ATTR{{name}}=="{Path(settings.GUEST_PORT).name}"' in rule
    assert 'ENV{SYSTEMD_WANTS}+="vm-connectd.service"' in rule


def test_only_configuration_is_kept_when_it_is_there_already(tmp_path: Path) -> None:
    unit = tmp_path / "usr/lib/systemd/system/vm-connectd.service"
    unit.parent.mkdir(parents=True)
    unit.write_text("old\n", encoding="utf-8")
    install(tmp_path, f"--manifests={tmp_path}")
    assert "BindsTo" in unit.read_text(encoding="utf-8")
    listed = (tmp_path / "vm-ctl.files").read_text(encoding="utf-8").splitlines()
    assert f"%config(noreplace) {settings.VM_CTL_CONF}" in listed
    listed = (tmp_path / "pm_kvm_tools-guest.files").read_text(encoding="utf-8").splitlines()
    assert "%attr(0644, root, root) /usr/lib/systemd/system/vm-connectd.service" in listed


ORDERING = "usr/lib/systemd/system/resource-agents-deps.target.d/50-pm_kvm_tools.conf"


def test_pacemaker_is_ordered_around_what_guests_need(root: Path) -> None:
    """systemd's own opinion of the file is asked in tests/tools."""
    lines = (root / ORDERING).read_text(encoding="utf-8").splitlines()
    after = {name for line in lines if line.startswith("After=") for name in line[6:].split()}
    assert {"virt-guest-shutdown.target", "libvirt-guests.service"} <= after
    for daemon in ("libvirtd", "virtqemud", "virtproxyd", "virtnetworkd", "virtlockd"):
        assert {f"{daemon}.service", f"{daemon}.socket"} <= after
    assert "Wants=virt-guest-shutdown.target" in lines
    assert lines.count("[Unit]") == 1
    # Nothing is started, and nothing stops Pacemaker, for the sake of an order.
    assert {line.partition("=")[0] for line in lines if "=" in line and line[0] != "#"} == {
        "After",
        "Wants",
    }


def test_old_versions_go_and_an_edited_configuration_stays(tmp_path: Path) -> None:
    versions = tmp_path / settings.PRIVATE_DIR.lstrip("/")
    # The second one is of the time before there were directories of versions.
    olds = [versions / "1.9-1" / "agents" / "agent.py", versions / "agents" / "old" / "agent.py"]
    for old in olds:
        old.parent.mkdir(parents=True)
        old.touch()
    configuration = tmp_path / settings.VM_CTL_CONF.lstrip("/")
    configuration.parent.mkdir()
    configuration.write_text("mine\n", encoding="utf-8")
    install(tmp_path)
    assert [path.name for path in versions.iterdir()] == [private(tmp_path).name]
    assert configuration.read_text(encoding="utf-8") == "mine\n"


def test_an_uninstallation_leaves_what_is_not_ours(tmp_path: Path) -> None:
    install(tmp_path)
    theirs = [
        tmp_path / settings.VM_CTL_CONF.lstrip("/"),
        tmp_path / settings.STONITH_KEY.lstrip("/"),
        tmp_path / "usr/lib/ocf/resource.d/heartbeat/Dummy",
    ]
    for path in theirs:
        path.parent.mkdir(exist_ok=True)
        path.write_text("mine\n", encoding="utf-8")
    for _ in range(2):
        install(tmp_path, "--uninstall")
        assert {tmp_path / path for path in files(tmp_path)} == set(theirs)
    assert not (tmp_path / "usr/lib/ocf/resource.d/extra").exists()
    assert not (tmp_path / settings.PRIVATE_DIR.lstrip("/")).exists()


def test_an_uninstallation_leaves_nothing_of_ours(tmp_path: Path) -> None:
    install(tmp_path, "--uninstall")
    install(tmp_path)
    install(tmp_path, "--uninstall")
    assert files(tmp_path) == set()
