"""A stand-in for a Jitsi server: rooms without sound that record who came."""

from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime
from typing import Annotated, NamedTuple

from fastapi import APIRouter, Path, Query
from fastapi.responses import HTMLResponse
from joserfc import jwt
from joserfc.errors import JoseError
from joserfc.jwk import OctKey

from local.clock import MovableClock
from local.pages import page
from local.settings import LocalSettings
from shared.errors import Forbidden

APP_ID = "scrimline-local"

Name = Annotated[str, Path(pattern=r"^[A-Za-z0-9_-]{1,100}$")]
Token = Annotated[str, Query(alias="jwt", max_length=4000)]


class Visit(NamedTuple):
    """The first time somebody came into a room."""

    name: str
    host: bool
    at: datetime


@dataclass
class Rooms:
    """Who came where, by room and person, as long as this process lives.

    `secret` is what tokens are signed with, as a Jitsi server shares it with who sends
    people there.
    """

    secret: str
    visits: dict[str, dict[str, Visit]] = field(
        default_factory=lambda: defaultdict(dict)
    )

    def enter(self, room: str, token: str, now: datetime) -> list[Visit]:
        """Everybody who came so far; raises Forbidden for a token of another room."""
        try:
            claims = jwt.decode(token, OctKey.import_key(self.secret)).claims
        except (JoseError, ValueError) as error:
            raise Forbidden("The token is not from here.") from error
        if claims.get("room") != room or claims.get("iss") != APP_ID:
            raise Forbidden("The token is for another room.")
        if not claims["nbf"] <= now.timestamp() <= claims["exp"]:
            raise Forbidden("The token is not good at this time.")
        user = claims["context"]["user"]
        visit = Visit(user["name"], user.get("moderator") == "true", now)
        self.visits[room].setdefault(user["id"], visit)
        return sorted(self.visits[room].values(), key=lambda each: each.at)


def make_router(
    settings: LocalSettings, clock: MovableClock, rooms: Rooms
) -> APIRouter:
    router = APIRouter()

    @router.get("/local/rooms/{room}")
    async def enter(room: Name, token: Token) -> HTMLResponse:
        """Show who is there; who asks is there as well."""
        now = clock.now()
        there = rooms.enter(room, token, now)
        return page(settings, "room.html", room=room, there=there, now=now)

    return router
