# SPDX-License-Identifier: GPL-2.0-or-later
"""Certificates for QEMU's own TLS, by openssl, where libvirt looks for them."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Sequence

    from tests.lab.hosts.machine import Machine

DIRECTORY = "/etc/pki/qemu"
KEY = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"]
# Words of `openssl req -addext`, for the authority and for those that it vouches for.
AUTHORITY = "keyUsage=critical,keyCertSign"
USAGE = "keyUsage=critical,digitalSignature\nextendedKeyUsage=serverAuth,clientAuth\n"


def install(hosts: Sequence[Machine]) -> None:
    """One authority, and for each host one certificate for both ends of a migration."""
    first = hosts[0]
    first.must(["mkdir", "-p", DIRECTORY])
    authority = [f"{DIRECTORY}/ca-key.pem", f"{DIRECTORY}/ca-cert.pem"]
    request = ["openssl", "req", "-x509", *KEY, "-subj", "/CN=lab", "-addext", AUTHORITY]
    first.must([*request, "-keyout", authority[0], "-out", authority[1]])
    texts = [first.read(path) for path in authority]
    for host in hosts:
        host.must(["mkdir", "-p", DIRECTORY])
        for path, text in zip(authority, texts):
            host.write(path, text)
        _certify(host, authority)


def _certify(host: Machine, authority: Sequence[str]) -> None:
    key, cert = f"{DIRECTORY}/server-key.pem", f"{DIRECTORY}/server-cert.pem"
    subject = ["-subj", f"/CN={host.name}"]
    host.must(["openssl", "req", *KEY, *subject, "-keyout", key, "-out", "/tmp/host.csr"])
    host.write("/tmp/host.ext", f"{USAGE}subjectAltName=DNS:{host.name}\n")
    sign = ["openssl", "x509", "-req", "-in", "/tmp/host.csr", "-extfile", "/tmp/host.ext"]
    by = ["-CAkey", authority[0], "-CA", authority[1], "-CAcreateserial", "-days", "2"]
    host.must([*sign, *by, "-out", cert])
    for path in (key, cert):
        host.must(["cp", path, path.replace("server", "client")])


def remove(hosts: Sequence[Machine]) -> None:
    for host in hosts:
        host.must(["rm", "-rf", DIRECTORY])
