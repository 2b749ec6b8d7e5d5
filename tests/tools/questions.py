# SPDX-License-Identifier: GPL-2.0-or-later
"""What is asked of libvirtmod, real or played, about a hypervisor with one running domain, test.

Run as a program it asks the real one on test:///default and prints the answers as JSON. Texts
of errors are left out: they are libvirt's own.
"""

from __future__ import annotations

import json
import sys
import threading
from typing import Any

URI = "test:///default"
DEFINITION = "<domain type='test'><name>t1</name><uuid>{uuid}</uuid><memory>1024</memory><os>\
<type>hvm</type></os></domain>"
UUID = "11111111-2222-3333-4444-555555555555"
OTHER = "99999999-2222-3333-4444-555555555555"


class _Asker:
    """Asks and writes down: the question, the answer, and the code of the thread's last error."""

    def __init__(self, libvirtmod: Any) -> None:
        self.module = libvirtmod
        self.answers: list[tuple[str, Any, int | None]] = []

    def ask(self, question: str, function: str, *arguments: Any) -> Any:
        answer = getattr(self.module, function)(*arguments)
        plain = answer is None or isinstance(answer, (int, str, list))
        self.answers.append((question, answer if plain else "a handle", self.error_code()))
        return answer

    def state(self, question: str, domain: Any) -> None:
        """Without its reason, which differs from driver to driver."""
        answer = self.module.virDomainGetState(domain, 0)
        state = answer if answer is None else [answer[0], "a reason"]
        assert answer is None or isinstance(answer[1], int)
        self.answers.append((question, state, self.error_code()))

    def error_code(self) -> int | None:
        error = self.module.virGetLastError()
        if error is None:
            return None
        assert isinstance(error[2], str)
        assert error[2]
        assert len(error) == 9
        return int(error[0])


def answers(libvirtmod: Any) -> list[tuple[str, Any, int | None]]:
    asker = _Asker(libvirtmod)
    libvirtmod.virRegisterErrorHandler(lambda _context, _error: None, None)
    uri = "qemu+unix:///system?socket=/nowhere"
    asker.ask("a hypervisor that is not there", "virConnectOpen", uri)
    connection = asker.ask("the hypervisor", "virConnectOpen", URI)
    asker.ask("is it alive", "virConnectIsAlive", connection)
    _ask_for_domains(asker, connection)
    _ask_of_a_persistent_one(asker, connection)
    _ask_of_a_transient_one(asker, connection)
    libvirtmod.virConnectClose(connection)
    return asker.answers


def _ask_for_domains(asker: _Asker, connection: Any) -> None:
    ask = asker.ask
    ask("a name that nobody has", "virDomainLookupByName", connection, "nobody")
    others: list[int | None] = []
    thread = threading.Thread(target=lambda: others.append(asker.error_code()))
    thread.start()
    thread.join()
    asker.answers.append(("that error in another thread", others[0], None))
    ask("a uuid that nobody has", "virDomainLookupByUUIDString", connection, OTHER)
    ask("a uuid that is none", "virDomainLookupByUUIDString", connection, "zz")
    for each in asker.module.virConnectListAllDomains(connection, 0):
        ask("the name of each", "virDomainGetName", each)
    test = ask("a name", "virDomainLookupByName", connection, "test")
    ask("its name", "virDomainGetName", test)
    uuid = ask("its uuid", "virDomainGetUUIDString", test)
    for form in (uuid, uuid.upper(), uuid.replace("-", "")):
        ask("its uuid in every form", "virDomainLookupByUUIDString", connection, form)


def _ask_of_a_persistent_one(asker: _Asker, connection: Any) -> None:
    ask, state = asker.ask, asker.state
    test = ask("the persistent one", "virDomainLookupByName", connection, "test")
    state("it runs", test)
    ask("is it active", "virDomainIsActive", test)
    ask("has it snapshots", "virDomainSnapshotNum", test, 0)
    ask("does it start by itself", "virDomainGetAutostart", test)
    ask("is it defined", "virDomainIsPersistent", test)
    ask("resuming what runs", "virDomainResume", test)
    ask("destroying it", "virDomainDestroy", test)
    state("a persistent one stays", test)
    ask("is it active now", "virDomainIsActive", test)
    ask("is its memory kept", "virDomainHasManagedSaveImage", test, 0)
    ask("destroying it again", "virDomainDestroy", test)
    ask("starting it", "virDomainCreateWithFlags", test, 0)
    state("it runs again", test)
    ask("shutting it down", "virDomainShutdownFlags", test, 0)
    state("it is off", test)


def _ask_of_a_transient_one(asker: _Asker, connection: Any) -> None:
    ask, state = asker.ask, asker.state
    xml, other = DEFINITION.format(uuid=UUID), DEFINITION.format(uuid=OTHER)
    t1 = ask("creating", "virDomainCreateXML", connection, xml, 0)
    ask("its uuid is the definition's", "virDomainGetUUIDString", t1)
    state("the created one runs", t1)
    ask("its name under another uuid", "virDomainCreateXML", connection, other, 0)
    ask("no XML", "virDomainCreateXML", connection, "<domain", 0)
    ask("resuming what is not paused", "virDomainResume", t1)
    ask("a good answer clears the error", "virDomainGetName", t1)
    ask("shutting the transient one down", "virDomainShutdownFlags", t1, 0)
    ask("it is gone", "virDomainLookupByName", connection, "t1")
    state("its handle knows", t1)
    ask("it can't be resumed", "virDomainResume", t1)
    ask("it can't be destroyed", "virDomainDestroy", t1)
    ask("its name is still known", "virDomainGetName", t1)


if __name__ == "__main__":
    import libvirtmod

    json.dump(answers(libvirtmod), sys.stdout)
