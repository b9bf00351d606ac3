"""The product beside the model: booking on a database of its own, without a network."""

import asyncio
from collections.abc import Awaitable, Sequence
from contextlib import AsyncExitStack
from datetime import datetime, timedelta
from typing import Any, NamedTuple, TypeVar
from uuid import UUID

import asyncpg
import httpx2
from sqlalchemy import text

from services.booking import events
from services.booking.domain.lifecycle import NEXT, Status
from shared.contracts import Event
from shared.contracts.scheduler import MinuteTickV1
from shared.ids import new_id
from tests.booking import given
from tests.booking.conftest import opened
from tests.booking.given import Service
from tests.booking.lives.seats import Kind, Seat, Terms
from tests.given import NOW
from tests.servers.run import run_id
from tests.servers.templates import create_database, database_url

T = TypeVar("T")


class Stored(NamedTuple):
    """A seat as the database has it."""

    seat_id: str
    status: str
    start: datetime
    missed: str | None
    final: bool
    back: int | None
    payment: str | None
    session_start: datetime
    fate: str | None


KEPT = "('coaches', 'schedules', 'policies', 'alembic_version')"
"""Tables that lives do not change."""


class Product:
    """A running booking service for code that does not await, for one run after another.

    To start it takes as long as some twenty steps.
    """

    def __init__(self, server_url: str, terms: Sequence[Terms]) -> None:
        self._runner = asyncio.Runner()
        self._stack = AsyncExitStack()
        self._server_url = server_url
        self.service: Service = self.wait(self._open())
        self.coaches = [self.wait(self._a_coach(each)) for each in terms]
        self.students = [new_id() for _ in range(4)]

    def wait(self, awaitable: Awaitable[T]) -> T:
        async def until_done() -> T:
            return await awaitable

        return self._runner.run(until_done())

    def close(self) -> None:
        self.wait(self._stack.aclose())
        self._runner.close()

    def forget(self) -> None:
        """Nothing has been booked yet; coaches and their terms stay."""
        self.wait(self._forget())

    async def _forget(self) -> None:
        clock = self.service.clock
        clock.advance(seconds=(NOW - clock.now()).total_seconds())
        tables = await self._rows(
            f"""
            SELECT format('DELETE FROM %I', tablename) FROM pg_tables
            WHERE schemaname = 'public' AND tablename NOT IN {KEPT}
            """  # noqa: S608
        )
        async with self.service.sessions.begin() as session:
            connection = await session.connection()
            # the history refuses to be changed, and rows refer to each other
            await connection.execute(
                text("SET LOCAL session_replication_role = replica")
            )
            for (delete,) in tables:
                await connection.execute(text(delete))

    async def _open(self) -> Service:
        name = await create_database(self._server_url, run_id(), "services.booking")
        self._stack.push_async_callback(self._drop, name)
        url = database_url(self._server_url, name)
        return await self._stack.enter_async_context(opened(url))

    async def _drop(self, name: str) -> None:
        server = await asyncpg.connect(self._server_url)
        await server.execute(f"DROP DATABASE {name} WITH (FORCE)")
        await server.close()

    async def _a_coach(self, terms: Terms) -> UUID:
        coach_id = new_id()
        rates = {"hourly_rate": terms.rate, "group_rate": terms.group_rate}
        await self.service.hear(given.a_profile(coach_id, **rates))
        await given.put(self.service, coach_id, "schedule", given.OPEN_ALL_DAY)
        policy = {
            "buffer_before": terms.before,
            "buffer_after": terms.after,
            "cancellation_tiers": [list(tier) for tier in terms.tiers],
            "group": {
                "enabled": terms.group_rate is not None,
                "capacity": terms.capacity,
                "min_participants": terms.minimum,
            },
        }
        await given.put(self.service, coach_id, "booking-policy", policy)
        return coach_id

    def hear(self, event: Event) -> None:
        self.wait(self.service.hear(event))

    def hold(
        self, student: int, coach: int, start: datetime, kind: Kind
    ) -> httpx2.Response:
        who = (self.coaches[coach], self.students[student])
        return self.wait(given.book(self.service, *who, start, kind=kind))

    def post(
        self, session_id: str, verb: str, who: dict[str, str], **body: Any
    ) -> httpx2.Response:
        return self._send(f"/v1/sessions/{session_id}/{verb}", who, body)

    def hold_weeks(
        self, student: int, coach: int, starts: Sequence[datetime]
    ) -> httpx2.Response:
        body = {
            "coach_id": str(self.coaches[coach]),
            "first_start": starts[0].isoformat(),
            "count": len(starts),
            "duration_minutes": 60,
            "starts": [each.isoformat() for each in starts],
        }
        who = given.student(self.students[student])
        return self._send("/v1/series", who, body)

    def cancel_series(
        self, series: str, since: str | None, who: dict[str, str]
    ) -> httpx2.Response:
        """From the session `since` on."""
        body = {"from_session_id": since, "reason": "no time"}
        return self._send(f"/v1/series/{series}/cancel", who, body)

    def join_line(self, student: int, coach: int, start: datetime) -> httpx2.Response:
        """Wait for this one hour."""
        body = {
            "from": start.isoformat(),
            "to": (start + timedelta(hours=1)).isoformat(),
            "duration_minutes": 60,
        }
        path = f"/v1/coaches/{self.coaches[coach]}/waitlist"
        return self._send(path, given.student(self.students[student]), body)

    def leave_line(self, student: int, entry_id: str) -> httpx2.Response:
        who = given.student(self.students[student])
        path = f"/v1/me/waitlist/{entry_id}"
        return self.wait(self.service.http.delete(path, headers=who))

    def line(self) -> list[tuple[str, str | None, bool]]:
        """Who waits, what it was offered, and whether it has left."""
        query = """
            SELECT id::text, seat_id::text, withdrawn_at IS NOT NULL
            FROM waitlist ORDER BY id
        """
        return [tuple(row) for row in self.wait(self._rows(query))]

    def offered(self) -> dict[str, tuple[str, str]]:
        """By entry of the line, the session and the seat that it was offered."""
        query = """
            SELECT waitlist.id::text, session_id::text, seats.id::text
            FROM waitlist JOIN seats ON seats.id = seat_id
        """
        return {entry: (s, seat) for entry, s, seat in self.wait(self._rows(query))}

    def decide(self, seat: Seat, percent: int) -> httpx2.Response:
        """An admin says how much goes back for a problem that was reported."""
        body: dict[str, Any] = {"decision": "partial", "percent": percent}
        if percent in (0, 100):
            body = {"decision": "full" if percent else "none"}
        body |= {"seat_id": seat.seat_id, "reason": "looked at it"}
        path = f"/v1/admin/sessions/{seat.session.session_id}/problem"
        return self._send(path, given.admin(), body)

    def quote(self, seat: Seat) -> httpx2.Response:
        """What the seat's student would get back now."""
        path = f"/v1/sessions/{seat.session.session_id}/cancel/quote"
        student = given.student(self.students[seat.student])
        query = {"seat_id": seat.seat_id}
        return self.wait(self.service.http.get(path, params=query, headers=student))

    def _send(
        self, path: str, who: dict[str, str], body: dict[str, Any]
    ) -> httpx2.Response:
        return self.wait(self.service.http.post(path, json=body, headers=who))

    def tick(self, now: datetime, *, proposals: bool, groups: bool) -> None:
        """Product time becomes `now`, and the minute's tick does what it does to seats.

        All its handlers, of rooms and lines as well, would take five times as long;
        those of proposals and groups have nothing to do where there are none.
        """
        self.wait(self._tick(now, proposals, groups))

    async def _tick(self, now: datetime, proposals: bool, groups: bool) -> None:
        await self.service.clock.until(now)
        before = now - timedelta(minutes=1)
        tick = MinuteTickV1(occurred_at=now, due_at=now, previous_due_at=before)
        async with self.service.sessions.begin() as session:
            await events.on_minute_tick(tick, session, now)
        if proposals:
            async with self.service.sessions.begin() as session:
                await events.on_minute_tick_of_proposals(tick, session, now)
        if groups:
            async with self.service.sessions.begin() as session:
                await events.on_minute_tick_of_groups(tick, session, now)
        async with self.service.sessions.begin() as session:
            await events.on_minute_tick_of_outcomes(tick, session, now)

    def stored(self) -> list[Stored]:
        query = """
            SELECT seat.id::text, seat.status, seat.starts_at, no_show, no_show_final,
                   refund_amount, payment_id::text, session.starts_at, fate
            FROM seats seat JOIN sessions session ON session.id = seat.session_id
            ORDER BY seat.id
        """
        return [Stored(*row) for row in self.wait(self._rows(query))]

    def proposals(self) -> list[tuple[str, str, datetime]]:
        query = "SELECT id::text, status, expires_at FROM proposals ORDER BY id"
        return [tuple(row) for row in self.wait(self._rows(query))]

    def strikes(self) -> dict[str, datetime]:
        """By session, since when it is held against its coach."""
        query = "SELECT session_id::text, at FROM strikes"
        return {row[0]: row[1] for row in self.wait(self._rows(query))}

    def overlapping(self) -> list[Any]:
        """Pairs of live sessions of one coach, or of seats of one student."""
        live = "IN ('held', 'confirmed', 'in_progress')"
        return self.wait(
            self._rows(
                f"""
                SELECT a.id FROM sessions a JOIN sessions b USING (coach_id)
                WHERE a.id < b.id AND a.status {live} AND b.status {live}
                AND a.blocked_from < b.blocked_until
                AND b.blocked_from < a.blocked_until
                UNION ALL
                SELECT a.id FROM seats a JOIN seats b USING (student_id)
                WHERE a.id < b.id AND a.status {live} AND b.status {live}
                AND a.starts_at < b.ends_at AND b.starts_at < a.ends_at
                """  # noqa: S608
            )
        )

    def illegal_steps(self) -> list[Any]:
        """Steps of the history that are not allowed, or do not follow on each other."""
        query = """
            SELECT h.seat_id, h.from_status, h.to_status,
                lag(h.to_status) OVER life, lead(h.id) OVER life IS NULL, s.status
            FROM history h JOIN seats s ON s.id = h.seat_id
            WINDOW life AS (PARTITION BY h.seat_id ORDER BY h.id)
        """
        return [
            row
            for row in self.wait(self._rows(query))
            if row[1] != row[3]
            or (row[1] and Status(row[2]) not in NEXT[Status(row[1])])
            or (row[4] and row[2] != row[5])
        ]

    async def _rows(self, query: str) -> list[Any]:
        async with self.service.sessions() as session:
            connection = await session.connection()
            return list((await connection.execute(text(query))).all())
