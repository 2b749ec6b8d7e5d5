# SPDX-License-Identifier: GPL-2.0-or-later
"""The rarer half of the played libvirtmod: descriptions, jobs, images, pools, networks, agents."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Optional

if TYPE_CHECKING:
    from collections.abc import Callable
    from typing import TypeVar

    from tests.unit.virtual_domain.fake_libvirtmod import FakeDomain, FakeHypervisor

    T = TypeVar("T")

PAUSED, SHUTOFF = 3, 5

Stats = Optional[dict[str, object]]


class Pool:
    """A pool or a network of one hypervisor."""

    def __init__(self, *, active: bool) -> None:
        self.active = active
        self.refreshed = 0


class _Connection:
    def __init__(self, hypervisor: FakeHypervisor) -> None:
        self.hypervisor = hypervisor
        self.broken = False
        self.open = True


class _Domain:
    def __init__(self, connection: _Connection, domain: FakeDomain) -> None:
        self.connection = connection
        self.domain = domain

    def existing(self) -> FakeDomain:
        return self.connection.hypervisor.existing(self.domain)


class _Supply:
    def __init__(self, connection: _Connection, pool: Pool, name: str) -> None:
        self.connection = connection
        self.pool = pool
        self.name = name


class FakeServices:
    """Mixed into FakeLibvirt, whose doing and whose errors these are."""

    def _do(
        self, connection: _Connection, function: str, act: Callable[[], T], *arguments: object
    ) -> T | None:
        raise NotImplementedError

    def _order(
        self, handle: _Domain, function: str, act: Callable[[], None], *arguments: object
    ) -> int:
        raise NotImplementedError

    def virConnectListAllDomains(self, connection: _Connection, flags: int) -> list[_Domain] | None:
        assert flags == 0

        def list_() -> list[_Domain]:
            return [_Domain(connection, each) for each in connection.hypervisor.domains.values()]

        return self._do(connection, "virConnectListAllDomains", list_)

    def virDomainIsActive(self, handle: _Domain) -> int:
        active = handle.domain.state != SHUTOFF
        done = self._do(handle.connection, "virDomainIsActive", lambda: int(active))
        return -1 if done is None else done

    def virDomainIsPersistent(self, handle: _Domain) -> int:
        persistent = int(handle.domain.persistent)
        done = self._do(handle.connection, "virDomainIsPersistent", lambda: persistent)
        return -1 if done is None else done

    def virDomainGetAutostart(self, handle: _Domain) -> int | None:
        autostart = int(handle.domain.starts_by_itself)
        return self._do(handle.connection, "virDomainGetAutostart", lambda: autostart)

    def virDomainGetName(self, handle: _Domain) -> str | None:
        return self._do(handle.connection, "virDomainGetName", lambda: handle.domain.name)

    def virDomainGetUUIDString(self, handle: _Domain) -> str | None:
        return self._do(handle.connection, "virDomainGetUUIDString", lambda: handle.domain.uuid)

    def virDomainGetXMLDesc(self, handle: _Domain, flags: int) -> str | None:
        return self._do(
            handle.connection,
            "virDomainGetXMLDesc",
            lambda: handle.existing().description(flags),
            flags,
        )

    def virDomainGetInfo(self, handle: _Domain) -> list[int] | None:
        def get() -> list[int]:
            domain = handle.existing()
            return [domain.state, domain.memory_kib, domain.memory_kib, domain.cpus, 0]

        return self._do(handle.connection, "virDomainGetInfo", get)

    def virDomainHasManagedSaveImage(self, handle: _Domain, flags: int) -> int:
        assert flags == 0

        function = "virDomainHasManagedSaveImage"
        done = self._do(handle.connection, function, lambda: int(handle.existing().is_saved))
        return -1 if done is None else done

    def virDomainSnapshotNum(self, handle: _Domain, flags: int) -> int:
        assert flags == 0

        function = "virDomainSnapshotNum"
        done = self._do(handle.connection, function, lambda: handle.existing().snapshots)
        return -1 if done is None else done

    # Jobs.

    def virDomainGetJobStats(self, handle: _Domain, flags: int) -> Stats:
        assert flags == 0
        return self._do(handle.connection, "virDomainGetJobStats", lambda: handle.existing().job())

    def virDomainGetBlockJobInfo(self, handle: _Domain, disk: str, flags: int) -> Stats:
        """An empty answer is that of a disk without a job."""
        assert flags == 0

        def get() -> dict[str, object]:
            domain = handle.connection.hypervisor.existing(handle.domain)
            return dict(domain.block_jobs.get(disk, {}))

        return self._do(handle.connection, "virDomainGetBlockJobInfo", get)

    def virDomainAbortJob(self, handle: _Domain) -> int:
        return self._order(handle, "virDomainAbortJob", handle.domain.aborted.set)

    def virDomainMigrateStartPostCopy(self, handle: _Domain, flags: int) -> int:
        return self._order(
            handle, "virDomainMigrateStartPostCopy", handle.domain.postcopy.set, flags
        )

    def virDomainMigrateSetMaxDowntime(self, handle: _Domain, downtime: int, flags: int) -> int:
        assert flags == 0
        return self._order(handle, "virDomainMigrateSetMaxDowntime", lambda: None, downtime)

    def virDomainSuspend(self, handle: _Domain) -> int:
        def suspend() -> None:
            handle.domain.state = PAUSED

        return self._order(handle, "virDomainSuspend", suspend)

    def virDomainPMWakeup(self, handle: _Domain, flags: int) -> int:
        def wake() -> None:
            handle.domain.state = 1

        return self._order(handle, "virDomainPMWakeup", wake, flags)

    # Images: the file says whose memory it is.

    def virDomainSaveFlags(self, handle: _Domain, to: str, dxml: None, flags: int) -> int:
        assert dxml is None

        def save() -> None:
            domain = handle.existing()
            Path(to).write_text(json.dumps([domain.name, domain.uuid]), encoding="utf-8")
            handle.connection.hypervisor.end(domain)

        return self._order(handle, "virDomainSaveFlags", save, to, flags)

    def virDomainSaveImageGetXMLDesc(
        self, connection: _Connection, file: str, flags: int
    ) -> str | None:
        def get() -> str:
            name, uuid = json.loads(Path(file).read_text(encoding="utf-8"))
            return f"<domain type='kvm'><name>{name}</name><uuid>{uuid}</uuid></domain>"

        return self._do(connection, "virDomainSaveImageGetXMLDesc", get, file, flags)

    def virDomainRestoreFlags(
        self, connection: _Connection, source: str, dxml: None, flags: int
    ) -> int:
        assert dxml is None

        def restore() -> bool:
            name, uuid = json.loads(Path(source).read_text(encoding="utf-8"))
            hypervisor = connection.hypervisor
            known = hypervisor.domains.get(name)
            persistent = known is not None and known.persistent
            # A life that goes on where the image was made, its CPUs stopped.
            hypervisor.add(name, uuid, PAUSED, persistent=persistent)
            assert flags == 4, "restored running"
            return True

        return 0 if self._do(connection, "virDomainRestoreFlags", restore, source, flags) else -1

    # Pools and networks.

    def virStoragePoolLookupByName(self, connection: _Connection, name: str) -> _Supply | None:
        return self._find(connection, "virStoragePoolLookupByName", name)

    def virStoragePoolIsActive(self, pool: _Supply) -> int:
        return int(pool.pool.active)

    def virStoragePoolRefresh(self, pool: _Supply, flags: int) -> int:
        assert flags == 0

        def refresh() -> bool:
            pool.pool.refreshed += 1
            return True

        done = self._do(pool.connection, "virStoragePoolRefresh", refresh, pool.name)
        return 0 if done else -1

    def virStoragePoolCreate(self, pool: _Supply, flags: int) -> int:
        assert flags == 0
        return self._activate("virStoragePoolCreate", pool)

    def virNetworkLookupByName(self, connection: _Connection, name: str) -> _Supply | None:
        return self._find(connection, "virNetworkLookupByName", name)

    def virNetworkIsActive(self, network: _Supply) -> int:
        return int(network.pool.active)

    def virNetworkCreate(self, network: _Supply) -> int:
        return self._activate("virNetworkCreate", network)

    # The guest agent, which lives in a module of its own.

    def virDomainQemuAgentCommand(
        self, handle: _Domain, command: str, timeout: int, flags: int
    ) -> str | None:
        assert json.loads(command) == {"execute": "guest-ping"}
        assert flags == 0
        return self._do(
            handle.connection, "virDomainQemuAgentCommand", lambda: '{"return":{}}', timeout
        )

    def _find(self, connection: _Connection, function: str, name: str) -> _Supply | None:
        def find() -> _Supply:
            return _Supply(connection, connection.hypervisor.supply(name), name)

        return self._do(connection, function, find, name)

    def _activate(self, function: str, supply: _Supply) -> int:
        def activate() -> bool:
            supply.pool.active = True
            return True

        return 0 if self._do(supply.connection, function, activate, supply.name) else -1
