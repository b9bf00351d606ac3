"""Rooms for calls: `ensure_room`, `ticket` and `close_room`, whoever runs them."""

from datetime import datetime
from types import TracebackType
from typing import Any, Protocol, Self
from urllib.parse import quote, urlencode, urlsplit

import aiohttp
from joserfc import jwt
from joserfc.jwk import OctKey

from services.booking.clients.vendors import Refused, Vendor
from services.booking.domain.calls import Door, Guest, Hours, Order, Provider


class Host(Protocol):
    """Somebody who runs calls. Its methods raise Outage, or Refused for good."""

    async def ensure_room(self, http: aiohttp.ClientSession, order: Order) -> Door:
        """Make the room unless it is there."""
        ...

    async def ticket(
        self,
        http: aiohttp.ClientSession,
        name: str,
        door: Door,
        guest: Guest,
        hours: Hours,
    ) -> str:
        """A link for this guest alone, where the vendor has such."""
        ...

    async def close_room(self, http: aiohttp.ClientSession, external_id: str) -> None:
        """See to it that the room is gone; one that is gone already is fine."""
        ...


class Jitsi:
    """A Jitsi server: a room is there once somebody enters it.

    With an app id and secret every guest gets a token of its own (HS256).
    """

    def __init__(
        self, base: str, app_id: str | None = None, secret: str | None = None
    ) -> None:
        self._base = base.rstrip("/")
        self._app_id = app_id
        self._key = None if secret is None else OctKey.import_key(secret)

    async def ensure_room(self, _: aiohttp.ClientSession, order: Order) -> Door:
        return Door(f"{self._base}/{order.name}")

    async def ticket(
        self,
        _: aiohttp.ClientSession,
        name: str,
        door: Door,
        guest: Guest,
        hours: Hours,
    ) -> str:
        if self._key is None:
            shown = urlencode(
                {"userInfo.displayName": f'"{guest.name}"'}, quote_via=quote
            )
            return f"{door.url}#{shown}"
        token = jwt.encode(
            {"alg": "HS256", "typ": "JWT"}, self._claims(name, guest, hours), self._key
        )
        return f"{door.url}?{urlencode({'jwt': token})}"

    def _claims(self, name: str, guest: Guest, hours: Hours) -> dict[str, Any]:
        """Of one room and one person; Jitsi takes only texts within `user`."""
        user = {"id": str(guest.id), "name": guest.name}
        if guest.is_host:
            user |= {"moderator": "true", "affiliation": "owner"}
        return {
            "aud": "jitsi",
            "iss": self._app_id,
            "sub": urlsplit(self._base).hostname,
            "room": name,
            "nbf": int(hours.opens_at.timestamp()),
            "exp": int(hours.closes_at.timestamp()),
            "context": {"user": user},
        }

    async def close_room(self, _: aiohttp.ClientSession, __: str) -> None:
        """It is gone with the last who leaves; tokens run out by themselves."""


class Daily:
    """Daily: private rooms under names of ours, entered with a meeting token each."""

    def __init__(self, base: str, key: str) -> None:
        self._api = Vendor("Daily", base, key)

    async def ensure_room(self, http: aiohttp.ClientSession, order: Order) -> Door:
        """A name can be taken once: what is refused may be there already."""
        wanted = {
            "name": order.name,
            "privacy": "private",
            "properties": {
                "nbf": int(order.hours.opens_at.timestamp()),
                "exp": int(order.hours.closes_at.timestamp()),
                "eject_at_room_exp": True,
            },
        }
        made = await self._api.ask(http, "POST", "/rooms", wanted)
        found = made
        if made.status == 400:
            found = await self._api.ask(http, "GET", f"/rooms/{order.name}")
        if not found.is_success or "url" not in found.body:
            raise made.refusal(self._api.name)
        return Door(found.body["url"], None, order.name)

    async def ticket(
        self,
        http: aiohttp.ClientSession,
        name: str,
        door: Door,
        guest: Guest,
        hours: Hours,
    ) -> str:
        properties = {
            "room_name": name,
            "user_id": str(guest.id),
            "user_name": guest.name,
            "is_owner": guest.is_host,
            "nbf": int(hours.opens_at.timestamp()),
            "exp": int(hours.closes_at.timestamp()),
        }
        answer = await self._api.ask(
            http, "POST", "/meeting-tokens", {"properties": properties}
        )
        if not answer.is_success or "token" not in answer.body:
            raise answer.refusal(self._api.name)
        return f"{door.url}?{urlencode({'t': answer.body['token']})}"

    async def close_room(self, http: aiohttp.ClientSession, external_id: str) -> None:
        answer = await self._api.ask(http, "DELETE", f"/rooms/{external_id}")
        if not answer.is_success and answer.status != 404:
            raise answer.refusal(self._api.name)


class Whereby:
    """Whereby: each order makes a new meeting, with one door for hosts, one for guests.

    A meeting whose answer was lost is known to nobody and goes by itself an hour after
    its end.
    """

    def __init__(self, base: str, key: str) -> None:
        self._api = Vendor("Whereby", base, key)

    async def ensure_room(self, http: aiohttp.ClientSession, order: Order) -> Door:
        wanted = {
            "endDate": _utc(order.hours.closes_at),
            # a room of the mode `normal` holds four
            "roomMode": "group" if order.group else "normal",
            "fields": ["hostRoomUrl"],
        }
        made = await self._api.ask(http, "POST", "/meetings", wanted)
        if not made.is_success or not {"meetingId", "roomUrl"} <= made.body.keys():
            raise made.refusal(self._api.name)
        return Door(
            made.body["roomUrl"],
            made.body.get("hostRoomUrl"),
            str(made.body["meetingId"]),
        )

    async def ticket(
        self,
        _: aiohttp.ClientSession,
        __: str,
        door: Door,
        guest: Guest,
        ___: Hours,
    ) -> str:
        url = door.host_url if guest.is_host and door.host_url else door.url
        query = urlencode({"displayName": guest.name})
        return f"{url}{'&' if urlsplit(url).query else '?'}{query}"

    async def close_room(self, http: aiohttp.ClientSession, external_id: str) -> None:
        answer = await self._api.ask(http, "DELETE", f"/meetings/{external_id}")
        if not answer.is_success and answer.status != 404:
            raise answer.refusal(self._api.name)


class Rooms:
    """Whoever runs calls here, by name. A context: at its end connections close.

    `ensure_room` and `close_room` may be repeated. All raise Outage when the outcome is
    not known, Refused when asking again cannot help.
    """

    def __init__(self, hosts: dict[Provider, Host]) -> None:
        self._hosts = hosts
        self.providers = frozenset(hosts)
        self._http: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._http is not None:
            await self._http.close()
            self._http = None

    async def ensure_room(self, provider: Provider, order: Order) -> Door:
        return await self._host(provider).ensure_room(self._connections(), order)

    async def ticket(
        self, provider: Provider, name: str, door: Door, guest: Guest, hours: Hours
    ) -> str:
        """Where this guest, and nobody else, enters. To be given out at once."""
        if provider is Provider.CUSTOM:
            return door.url
        host = self._host(provider)
        return await host.ticket(self._connections(), name, door, guest, hours)

    async def close_room(self, provider: Provider, external_id: str) -> None:
        await self._host(provider).close_room(self._connections(), external_id)

    def _host(self, provider: Provider) -> Host:
        host = self._hosts.get(provider)
        if host is None:
            raise Refused(f"{provider} is not set up any more")
        return host

    def _connections(self) -> aiohttp.ClientSession:
        """Made when first needed: a session belongs to the loop that runs."""
        if self._http is None:
            self._http = aiohttp.ClientSession()
        return self._http


def _utc(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%SZ")
