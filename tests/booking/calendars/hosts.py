"""Hosts of calendars on real sockets with TLS, good ones and bad ones."""

import asyncio
import gzip
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

EMPTY = "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:test\r\nEND:VCALENDAR\r\n"


def entries(*bodies: str) -> str:
    """A calendar with these entries."""
    events = "".join(
        f"BEGIN:VEVENT\r\nUID:{number}\r\n{body}\r\nEND:VEVENT\r\n"
        for number, body in enumerate(bodies)
    )
    return EMPTY.replace("END:VCALENDAR", f"{events}END:VCALENDAR")


@dataclass
class Host:
    """What it serves now, and what it was asked for."""

    url: str = ""
    body: str = EMPTY
    content_type: str | None = "text/calendar"
    status: int = 200
    location: str | None = None
    asked: list[str] = field(default_factory=list)

    def app(self) -> web.Application:
        app = web.Application()
        app.router.add_get("/huge.ics", self._huge)
        app.router.add_get("/slow.ics", self._slow)
        app.router.add_get("/bomb.ics", self._bomb)
        app.router.add_get("/hops/{left}", self._hops)
        app.router.add_get("/{path:.*}", self._serve)
        return app

    async def _serve(self, request: web.Request) -> web.Response:
        self.asked.append(request.path)
        headers = {"Content-Type": self.content_type} if self.content_type else {}
        if self.location is not None:
            return web.Response(status=302, headers={"Location": self.location})
        return web.Response(
            body=self.body.encode(), status=self.status, headers=headers
        )

    async def _hops(self, request: web.Request) -> web.Response:
        """So many redirects, then the calendar."""
        self.asked.append(request.path)
        left = int(request.match_info["left"])
        if left:
            location = f"/hops/{left - 1}"
            return web.Response(status=307, headers={"Location": location})
        return web.Response(body=self.body.encode(), content_type="text/calendar")

    async def _huge(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/calendar"})
        await response.prepare(request)
        try:
            for _ in range(2_000):
                self.asked.append("a piece")
                await response.write(b"X-NOISE:" + b"x" * 65_000 + b"\r\n")
                await asyncio.sleep(0)
        except ConnectionError:
            pass
        return response

    async def _slow(self, request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(headers={"Content-Type": "text/calendar"})
        await response.prepare(request)
        try:
            for _ in range(60):
                await response.write(b"B")
                await asyncio.sleep(0.05)
        except ConnectionError:
            pass
        return response

    async def _bomb(self, request: web.Request) -> web.Response:
        self.asked.append(request.headers.get("Accept-Encoding", ""))
        headers = {"Content-Encoding": "gzip", "Content-Type": "text/calendar"}
        return web.Response(body=gzip.compress(bytes(50 << 20)), headers=headers)


def authority(folder: Path) -> tuple[Path, Path]:
    """A certificate for this machine that is its own authority, and its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "localhost")])
    now = datetime.now(UTC)
    alternatives = [x509.DNSName("localhost"), x509.IPAddress(ip_address("127.0.0.1"))]
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName(alternatives), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    pem = serialization.Encoding.PEM
    (folder / "ca.pem").write_bytes(certificate.public_bytes(pem))
    (folder / "key.pem").write_bytes(
        key.private_bytes(
            pem,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return folder / "ca.pem", folder / "key.pem"


@asynccontextmanager
async def serving(host: Host, certificate: Path, key: Path) -> AsyncIterator[Host]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    runner = web.AppRunner(host.app(), access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
    host.url = f"https://localhost:{runner.addresses[0][1]}"
    try:
        yield host
    finally:
        await runner.cleanup()
