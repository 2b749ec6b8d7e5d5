# SPDX-License-Identifier: GPL-2.0-or-later
"""Parameters backingfile, stateless and copyindirs: a disk that begins as another image.

A new file is made beside the old one and takes its place as a whole.
"""

from __future__ import annotations

import os

from pmkvm import files, run
from pmkvm.ocf.codes import OcfCode
from pmkvm.ocf.errors import OcfError
from pmkvm.virt.definition import parse, read
from pmkvm.virt.identity import DefinitionError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence
    from xml.etree.ElementTree import Element

    from agents.virtual_domain.guest.subject import Subject
    from pmkvm.deadline import Deadline
    from pmkvm.ocf.context import Context

# What a qcow2 image begins with (QEMU's docs/interop/qcow2).
_QCOW2 = b"QFI\xfb"
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
    path, backing = path_of(context), context.text("backingfile")
    disk = _disk(context, path)
    if disk is None:
        context.log.warning(
            f"{subject.identity.name}: no disk in {context.text('config')} is {path}, so"
            " backingfile has no effect"
        )
    if os.path.exists(path) and not context.flag("stateless"):
        return
    kind = _format(backing, disk)
    files.remove_temporary(path)
    new = files.temporary_name(path)
    # qemu-img would take what is there; the mode is what it gives to a file of its own.
    os.close(files.create(new, 0o644))
    try:
        _make(context, new, kind, deadline)
        os.replace(new, path)
    finally:
        files.remove(new)
    context.log.info(f"{subject.identity.name}: {path} begins as {backing} ({kind})")


def _format(backing: str, disk: Element | None) -> str:
    """Of the image, as the disk's backingStore tells it, else raw. Raises OcfError.

    Never by its content: what a guest has written to a raw image can look like an image of
    another format, which names a file of the host as its own backing file.
    """
    store = None if disk is None else disk.find("backingStore[format]")
    source = None if store is None else store.find("source[@file]")
    if store is not None and source is not None:
        kind = store.find("format[@type]")
        if kind is not None and os.path.realpath(source.attrib["file"]) == os.path.realpath(
            backing
        ):
            return kind.attrib["type"]
    with open(backing, "rb") as file:
        if file.read(len(_QCOW2)) == _QCOW2:
            raise OcfError(
                OcfCode.CONFIGURED,
                f"{backing} may be qcow2, or a raw image that a guest has made look like it: the"
                " definition must tell, by <backingStore> with <format type='...'/> and"
                f" <source file={backing!r}/> in the guest's disk",
            )
    return "raw"


def _make(context: Context, path: str, kind: str, deadline: Deadline) -> None:
    backing = context.text("backingfile")
    _must(["qemu-img", "create", "-q", "-f", "qcow2", "-F", kind, "-b", backing, path], deadline)
    directories = context.text("copyindirs").split()
    if directories:
        # Not through libvirt, which may be what this start is waiting for.
        environment = {"LIBGUESTFS_BACKEND": "direct"}
        argv = ["virt-copy-in", "--format=qcow2", "-a", path, *directories, "/"]
        _must(argv, deadline, environment)


def _must(
    argv: Sequence[str], deadline: Deadline, environment: dict[str, str] | None = None
) -> None:
    """Raises OcfError with what the program said, and CommandError."""
    done = run.run(argv, timeout_s=deadline.remaining(), environment=environment)
    if done.rc != 0:
        lines = (line.strip() for line in (done.err or done.out).splitlines())
        # libguestfs says first what was wrong, then what may be tried.
        said = " / ".join(line for line in lines if line)[:LONGEST]
        raise OcfError(OcfCode.GENERIC, f"{argv[0]} ended with {done.rc}: {said}")


def _disk(context: Context, path: str) -> Element | None:
    """The disk of the definition that is this file."""
    config = context.text("config")
    try:
        disks = parse(read(config), config).iterfind("devices/disk")
    except (OSError, DefinitionError):
        return None
    for disk in disks:
        source = disk.find("source[@file]")
        if source is not None and os.path.realpath(source.attrib["file"]) == os.path.realpath(path):
            return disk
    return None
