"""The way through the gateway, for every request."""

from collections.abc import Mapping
from dataclasses import dataclass
from time import perf_counter

import structlog
from starlette.middleware.cors import CORSMiddleware
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from gateway import routes
from gateway.domain import MethodNotAllowed
from gateway.limits import Limit, Limits
from gateway.metrics import Metrics
from gateway.proxy import Exchange, inward
from gateway.settings import GatewaySettings
from gateway.visitors import Visitor, visitor
from shared.auth import Verifier
from shared.errors import Problem, Unauthorized
from shared.requests import request_id
from shared.web import Bug, answer

SIGN_IN = frozenset({"/v1/auth/login", "/v1/auth/register", "/v1/auth/password-reset"})
AUTH = "/v1/auth/"
BY_MACHINES = frozenset({"/payments/webhook/", "/health/ready"})
LIVE = "/health/live"
# Where such a request ends is not certain, so nothing after it is read.
UNCLEAR = frozenset({400, 408})

log = structlog.get_logger()


@dataclass(frozen=True, slots=True)
class Path:
    """Where a request wants to go: as sent on, as decoded, and who answers what."""

    raw: bytes
    decoded: str
    services: Mapping[str, str]


class Door:
    """Lets a request in: one meaning of its path, a bearer that is valid if there is
    one, no more of them than allowed; then hands it to the service that answers it, or
    to `site`, the gateway's own pages.
    """

    def __init__(
        self,
        settings: GatewaySettings,
        site: ASGIApp,
        upstreams: Mapping[str, ASGIApp],
        verifier: Verifier,
        limits: Limits,
        metrics: Metrics,
    ) -> None:
        self._settings = settings
        self._site = site
        self._upstreams = upstreams
        self._verifier = verifier
        self._limits = limits
        self._metrics = metrics
        self._routes = routes.build(routes.listed())
        self._by_address = Limit("address", settings.address_per_minute)
        self._by_user = Limit("user", settings.user_per_minute)
        self._sign_in = Limit("sign-in", settings.sign_in_per_minute)
        self._by_machine = Limit("machine", settings.webhook_per_minute)
        self._inner: ASGIApp = self._enter
        if settings.cors_origins:
            self._inner = CORSMiddleware(
                self._enter,
                allow_origins=settings.cors_origins,
                allow_credentials=True,
                allow_methods=("GET", "POST", "PUT", "PATCH", "DELETE"),
                allow_headers=("Authorization", "Idempotency-Key", "If-Match"),
                expose_headers=("ETag", "Location", "Retry-After", "X-Request-Id"),
            )

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Every answer carries the request's id, also a refusal."""
        if scope["type"] != "http":
            await self._site(scope, receive, send)
            return
        identity = request_id(scope)

        async def identified(message: Message) -> None:
            if message["type"] == "http.response.start":
                message["headers"] = [
                    *message["headers"],
                    (b"x-request-id", identity.encode()),
                ]
            await send(message)

        state = {**scope.get("state", {}), "request_id": identity}
        await self._inner({**scope, "state": state}, receive, identified)

    async def _enter(self, scope: Scope, receive: Receive, send: Send) -> None:
        exchange = Exchange(
            receive, send, self._settings.body_limit, self._settings.client_timeout
        )
        began = perf_counter()
        try:
            await self._forward(scope, exchange)
        except Problem as problem:
            await _refuse(exchange.refusal or problem, scope, exchange, send)
        except Exception:
            log.exception("request.failed", path=scope["path"])
            await _refuse(Bug("The mistake is ours."), scope, exchange, send)
        seconds = perf_counter() - began
        self._metrics.observe(exchange.service, exchange.status, seconds)

    async def _forward(self, scope: Scope, exchange: Exchange) -> None:
        raw, decoded = routes.canonical(scope["raw_path"], scope["query_string"])
        path = Path(raw, decoded, routes.find(self._routes, decoded))
        guest = visitor(scope, self._settings.trusted_proxies)
        headers = inward(scope["headers"], guest, scope["state"]["request_id"])
        await self._admit(path, guest, headers)
        exchange.check_announced(headers)
        # RFC 9110, 9.3.2: asked as GET; the server sends the head of the answer alone
        method = "GET" if scope["method"] == "HEAD" else scope["method"]
        exchange.service, app = self._destination(path, method)
        inner = {
            **scope,
            "method": method,
            "path": decoded,
            "raw_path": raw,
            "headers": headers,
        }
        await app(inner, exchange.receive, exchange.send)

    def _destination(self, path: Path, method: str) -> tuple[str, ASGIApp]:
        service = path.services.get(method)
        if service is not None:
            return service, self._upstreams[service]
        if path.services:
            also = {"HEAD"} if "GET" in path.services else set[str]()
            raise MethodNotAllowed(frozenset(also.union(path.services)))
        return "gateway", self._site

    async def _admit(
        self, path: Path, guest: Visitor, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """Count the request; raises Unauthorized for a bearer that is not valid."""
        if path.decoded in SIGN_IN:
            await self._limits.take(self._sign_in, guest.network)
        elif path.decoded in BY_MACHINES:
            await self._limits.take(self._by_machine, guest.network)
        elif path.decoded != LIVE:
            await self._admit_caller(path, guest, headers)

    async def _admit_caller(
        self, path: Path, guest: Visitor, headers: list[tuple[bytes, bytes]]
    ) -> None:
        """A bearer that ran out must not keep its owner from getting a new one."""
        token = _bearer(headers)
        if token is None or path.decoded.startswith(AUTH):
            await self._limits.take(self._by_address, guest.network)
            return
        try:
            caller = await self._verifier.verify(token)
        except Unauthorized:
            await self._limits.take(self._by_address, guest.network)
            raise
        await self._limits.take(self._by_user, str(caller.id))


def _bearer(headers: list[tuple[bytes, bytes]]) -> str | None:
    for name, value in headers:
        if name == b"authorization":
            scheme, _, token = value.decode("latin-1").partition(" ")
            return token.strip() if scheme.lower() == "bearer" else None
    return None


async def _refuse(
    problem: Problem, scope: Scope, exchange: Exchange, send: Send
) -> None:
    """Answer with the problem; an answer that has begun is broken off instead."""
    if exchange.status:
        log.warning("answer.broken_off", path=scope["path"], reason=problem.slug)
        return
    response = answer(problem, scope["path"])
    if isinstance(problem, MethodNotAllowed):
        response.headers["Allow"] = problem.allow
    if problem.status in UNCLEAR:
        response.headers["Connection"] = "close"
    exchange.status = problem.status
    await response(scope, exchange.receive, send)
