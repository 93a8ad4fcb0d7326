"""Requests to receivers: where they go, and where never."""

from __future__ import annotations

import socket
import ssl
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from ipaddress import ip_network
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from citycare.scenarios.exchange.model.subscriptions import ReceiverFailed
from citycare.scenarios.exchange.service.subscriptions.sending import Sender
from tests.scenarios.exchange.subscriptions.conftest import LOOPBACK
from tests.scenarios.exchange.subscriptions.receiver import Receiver, receiving


@pytest.fixture
async def sender() -> AsyncIterator[Sender]:
    found = Sender(LOOPBACK)
    yield found
    await found.close()


async def post(sender: Sender, url: str, **more: Any) -> None:
    await sender.send("POST", url, headers={}, body=b"{}", timeout_s=0.5, **more)


async def problem(sender: Sender, url: str) -> str:
    with pytest.raises(ReceiverFailed) as failed:
        await post(sender, url)
    return str(failed.value.facts["problem"])


async def test_a_request_is_taken(sender: Sender, receiver: Receiver) -> None:
    await post(sender, receiver.url)
    assert receiver.taken[0].headers["host"] == f"localhost:{receiver.port}"
    assert receiver.taken[0].body == b"{}"


async def test_without_leave_loopback_is_not_called(receiver: Receiver) -> None:
    sender = Sender()
    assert await problem(sender, receiver.url) == "address not allowed"
    assert await problem(sender, f"https://127.0.0.1:{receiver.port}/") == "address not allowed"
    assert await problem(sender, "https://0x7f000001/") in ("address not allowed", "name not found")
    assert receiver.taken == receiver.refused == []
    await sender.close()


async def test_a_name_with_one_address_of_ours_is_not_called(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name may lead to a public address first and to ours behind it."""
    answers = [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (each, receiver.port))
               for each in ("93.184.216.34", "127.0.0.1")]  # fmt: skip
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    sender = Sender((ip_network("10.0.0.0/8"),))
    assert (
        await problem(sender, f"https://receiver.example:{receiver.port}/") == "address not allowed"
    )
    await sender.close()


async def test_each_failure_has_a_few_words(sender: Sender, receiver: Receiver) -> None:
    receiver.faults += [500, "redirect", "hang", "drop"]
    assert await problem(sender, receiver.url) == "HTTP status 500"
    assert await problem(sender, receiver.url) == "HTTP status 302"
    assert await problem(sender, receiver.url) == "no answer in time"
    assert (await problem(sender, receiver.url)).startswith("connection failed")
    assert len(receiver.refused) == 3  # the redirect was not followed
    assert await problem(sender, "http://no-such-name.invalid/") == "name not found"


async def test_the_other_address_is_tried_where_one_takes_no_connection(
    sender: Sender, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    answers = [
        (socket.AF_INET6, socket.SOCK_STREAM, 6, "", ("::1", receiver.port, 0, 0)),
        (socket.AF_INET, socket.SOCK_STREAM, 6, "", ("127.0.0.1", receiver.port)),
    ]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: answers)
    await post(sender, receiver.url)  # nobody listens on ::1
    assert len(receiver.taken) == 1


def certificate(folder: Path, name: str) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Return the contexts of a server with a certificate of this name, and of who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)  # noqa: TID251 - a certificate is good now
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(17)
        .not_valid_before(now - timedelta(hours=1))
        .not_valid_after(now + timedelta(hours=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(file)
    client = ssl.create_default_context(
        cadata=made.public_bytes(serialization.Encoding.PEM).decode()
    )
    return server, client


@pytest.mark.parametrize(("name", "good"), [("localhost", True), ("elsewhere.example", False)])
async def test_the_certificate_is_that_of_the_name_though_we_go_to_the_address(
    tmp_path: Path,
    name: str,
    good: bool,  # noqa: FBT001
) -> None:
    server, client = certificate(tmp_path, name)
    sender = Sender(LOOPBACK, tls=client)
    async with receiving(server) as receiver:
        if good:
            await post(sender, receiver.url)
        else:
            assert await problem(sender, receiver.url) == "connection failed: ConnectError"
        assert len(receiver.taken) == good
    await sender.close()
