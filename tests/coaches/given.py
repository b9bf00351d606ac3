"""What the tests of coaches start from."""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import httpx2
from fastapi import FastAPI
from sqlalchemy import event

from services.coaches import events
from shared.contracts import Event
from shared.contracts.accounts import UserChangedV1, UserRegisteredV1
from shared.contracts.coaches import ProfileChangedV1
from shared.db import Sessions, engine_of
from shared.ids import new_id
from tests.given import FixedClock, bearer, published

GAME = {"slug": "chess", "name": "Chess", "ranks": ["Novice", "Expert", "Master"]}


def usd(amount: int) -> dict[str, Any]:
    return {"amount": amount, "currency": "USD"}


def an_application(**changes: Any) -> dict[str, Any]:
    return {
        "headline": "From Gold to Master in a season",
        "bio": "I coach positional play.",
        "achievements": "World finals 2025",
        "experience_level": "professional",
        "years_experience": 6,
        "hourly_rate": usd(4500),
        "languages": ["en"],
        **changes,
    }


@dataclass
class Service:
    """Coaches on a fresh database, without a broker and without its workers."""

    app: FastAPI
    http: httpx2.AsyncClient
    clock: FixedClock
    admin: dict[str, str] = field(default_factory=lambda: bearer(new_id(), "admin"))

    @property
    def sessions(self) -> Sessions:
        sessions: Sessions = self.app.state.sessions
        return sessions

    async def hear_user(self, user_id: UUID, version: int = 1, **changes: Any) -> None:
        """Accounts tells of a user: registered first, changed with a later version."""
        kind = UserRegisteredV1 if version == 1 else UserChangedV1
        told = {
            "occurred_at": self.clock.now(),
            "user_id": user_id,
            "version": version,
            "email": "kim@example.com",
            "email_verified": True,
            "display_name": "Kim",
            "timezone": "Europe/Berlin",
            "locale": "en",
            "roles": ["coach"],
            "suspended": False,
            **changes,
        }
        await self.hear(kind.model_validate(told))

    async def hear(self, heard: Event) -> None:
        """Run the handlers of the event, each in its transaction."""
        for handler in events.handlers.items:
            if handler.event is type(heard):
                async with self.sessions.begin() as session:
                    await handler.handle(heard, session, self.clock.now())

    async def a_game(self, **changes: Any) -> None:
        body = {**GAME, **changes}
        response = await self.http.post("/v1/games", json=body, headers=self.admin)
        assert response.status_code == 201, response.text

    async def an_applicant(self, name: str = "Kim", **changes: Any) -> UUID:
        user_id = new_id()
        await self.hear_user(user_id, display_name=name)
        response = await self.http.post(
            "/v1/coaches", json=an_application(**changes), headers=bearer(user_id)
        )
        assert response.status_code == 201, response.text
        return user_id

    async def a_coach(self, name: str = "Kim", **changes: Any) -> UUID:
        """A verified one. Each coach is verified a minute after the one before."""
        coach_id = await self.an_applicant(name, **changes)
        self.clock.advance(minutes=1)
        response = await self.decide(coach_id, "verify")
        assert response.status_code == 200, response.text
        return coach_id

    async def decide(
        self, coach_id: UUID, verb: str, notes: str = "Seen."
    ) -> httpx2.Response:
        path = f"/v1/admin/coaches/{coach_id}/{verb}"
        return await self.http.post(path, json={"notes": notes}, headers=self.admin)

    async def change(self, coach_id: UUID, **changes: Any) -> httpx2.Response:
        return await self.http.patch(
            f"/v1/coaches/{coach_id}", json=changes, headers=bearer(coach_id, "coach")
        )

    async def teach(
        self, coach_id: UUID, slug: str = "chess", **body: Any
    ) -> httpx2.Response:
        return await self.http.put(
            f"/v1/coaches/{coach_id}/games/{slug}",
            json={"rank": "Master", **body},
            headers=bearer(coach_id, "coach"),
        )

    async def told(self, coach_id: UUID) -> list[ProfileChangedV1]:
        """What was said of the coach, oldest first."""
        return [
            told
            for told in await published(self.sessions)
            if isinstance(told, ProfileChangedV1) and told.coach_id == coach_id
        ]

    async def found(self, **params: Any) -> list[str]:
        """The names that the directory shows."""
        response = await self.http.get("/v1/coaches", params=params)
        assert response.status_code == 200, response.text
        return [coach["display_name"] for coach in response.json()["items"]]


class Queries:
    """Counts the statements of a block."""

    def __init__(self, sessions: Sessions) -> None:
        self._engine = engine_of(sessions).sync_engine
        self.count = 0

    def _note(self, *_: object) -> None:
        self.count += 1

    def __enter__(self) -> "Queries":
        event.listen(self._engine, "before_cursor_execute", self._note)
        return self

    def __exit__(self, *_: object) -> None:
        event.remove(self._engine, "before_cursor_execute", self._note)


def refused_fields(response: httpx2.Response) -> list[str]:
    """The fields that a 422 names."""
    assert response.status_code == 422, response.text
    assert response.headers["content-type"] == "application/problem+json"
    return [error["field"] for error in response.json()["errors"]]
