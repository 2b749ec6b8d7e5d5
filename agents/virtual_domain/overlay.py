# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameters backingfile, stateless and copyindirs: a disk that begins as another image.

A new file is made beside the old one and takes its place as a whole.
"""

from __future__ import annotations

import json
import os

from pmkvm import files, run
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt.definition import parse, read
from pmkvm.virt.identity import DefinitionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from agents.virtual_domain.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

# Of what a program said, characters.
LONGEST = 300


def path_of(context: Context) -> str:
    """The guest's own file: config's path with .qcow2 in the place of its extension."""
    return f"{os.path.splitext(context.text('config'))[0]}.qcow2"


def check(context: Context) -> None:
    """What can be said without touching an image. Raises OcfError."""
    backing = context.text("backingfile")
    for name in ("stateless", "copyindirs"):
        if context.parameters[name] and not backing:
            raise OcfError(
                OcfCode.CONFIGURED, f"parameter {name} means nothing without backingfile"
            )
    if not backing:
        return
    for path in (backing, *context.text("copyindirs").split()):
        if not os.path.isabs(path):
            raise OcfError(OcfCode.CONFIGURED, f"{path!r} must be an absolute path")
        if not os.path.exists(path):
            raise OcfError(OcfCode.INSTALLED, f"{path} is not there")


def prepare(context: Context, subject: Subject, deadline: Deadline) -> None:
    """Make the guest's file if it is to have a new one. Nobody may be using it."""
    check(context)
    path = path_of(context)
    _warn_unless_used(context, subject, path)
    if os.path.exists(path) and not context.flag("stateless"):
        return
    files.remove_temporary(path)
    new = files.temporary_name(path)
    # qemu-img would take what is there; the mode is what it gives to a file of its own.
    os.close(files.create(new, 0o644))
    try:
        _make(context, new, deadline)
        os.replace(new, path)
    finally:
        files.remove(new)
    context.log.info(f"{subject.identity.name}: {path} begins as {context.text('backingfile')}")


def _make(context: Context, path: str, deadline: Deadline) -> None:
    backing = context.text("backingfile")
    asked = ["qemu-img", "info", "--force-share", "--output=json", backing]
    kind = json.loads(_must(asked, deadline))["format"]
    # qemu-img 6.1 and later insist on the backing file's format.
    _must(["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", backing, path], deadline)
    directories = context.text("copyindirs").split()
    if directories:
        # Not through libvirt, which may be what this start is waiting for.
        environment = {"LIBGUESTFS_BACKEND": "direct"}
        _must(["virt-copy-in", "-a", path, *directories, "/"], deadline, environment)


def _must(
    argv: Sequence[str], deadline: Deadline, environment: dict[str, str] | None = None
) -> str:
    """Raises OcfError with what the program said, and CommandError."""
    done = run.run(argv, timeout_s=deadline.remaining(), environment=environment)
    if done.rc != 0:
        lines = (line.strip() for line in (done.err or done.out).splitlines())
        # libguestfs says first what was wrong, then what may be tried.
        said = " / ".join(line for line in lines if line)[:LONGEST]
        raise OcfError(OcfCode.GENERIC, f"{argv[0]} ended with {done.rc}: {said}")
    return done.out


def _warn_unless_used(context: Context, subject: Subject, path: str) -> None:
    config = context.text("config")
    try:
        sources = parse(read(config), config).iterfind("devices/disk/source[@file]")
    except (OSError, DefinitionError):
        return
    if os.path.realpath(path) not in (os.path.realpath(one.attrib["file"]) for one in sources):
        name = subject.identity.name
        context.log.warning(f"{name}: no disk in {config} is {path}, so backingfile has no effect")
