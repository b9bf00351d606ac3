"""Who lives in a local house: an admin, twelve coaches, forty students."""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Protocol

import httpx2
from fastapi import FastAPI

from local.clock import MovableClock
from local.demo.client import Person
from local.settings import PASSWORD
from services.accounts.actions import users
from services.accounts.domain import Role
from services.accounts.models import User

DOMAIN = "scrimline.example"
ADMIN = f"admin@{DOMAIN}"

COACHES = {
    "Mika Lehtonen": "Europe/Helsinki",
    "Ana Souza": "America/Sao_Paulo",
    "Jonas Weber": "Europe/Berlin",
    "Yuki Tanaka": "Asia/Tokyo",
    "Tyler Brooks": "America/New_York",
    "Priya Nair": "Asia/Kolkata",
    "Lena Fischer": "Europe/Berlin",
    "Haruto Sato": "Asia/Tokyo",
    "Dana Cohen": "America/New_York",
    "Rafael Lima": "America/Sao_Paulo",
    "Sofia Keller": "Europe/Berlin",
    "Jordan Reyes": "America/New_York",
}

STUDENTS = (
    "Alex", "Bo", "Casey", "Devon", "Emery", "Finley", "Gale", "Harper", "Indy",
    "Jules", "Kai", "Logan", "Morgan", "Nico", "Oakley", "Parker", "Quinn", "Reese",
    "Sage", "Toby", "Uma", "Val", "Wren", "Xen", "Yael", "Zion", "Ari", "Blake",
    "Cleo", "Drew", "Ellis", "Frey", "Gray", "Hollis", "Ira", "Jess", "Kit", "Lane",
    "Max", "Noor",
)  # fmt: skip

STUDENT_ZONES = (
    "Europe/London",
    "America/Los_Angeles",
    "Asia/Tokyo",
    "Australia/Sydney",
    "America/New_York",
)


@dataclass(frozen=True)
class Newcomer:
    email: str
    name: str
    zone: str
    role: Role


class Home(Protocol):
    """Where people can live: all in one process, or in one for each service.

    `apps` has accounts, whether it serves or not: people are registered without the
    throttle that its routes have. `password_hash` is the one that all of them share.
    """

    gateway: httpx2.AsyncClient
    clock: MovableClock
    apps: dict[str, FastAPI]
    password_hash: str | None

    async def advance(self, by: timedelta) -> None:
        """Move product time, also backwards."""

    async def idle(self) -> None:
        """Return once nothing is left to do."""


async def planted(house: Home) -> bool:
    """True if there is an admin: then nothing is planted any more."""
    async with house.apps["accounts"].state.sessions() as session:
        return await users.find(session, ADMIN) is not None


async def admin(house: Home) -> Person:
    """The admin everybody can be here."""
    [person] = await _move_in(house, [Newcomer(ADMIN, "Admin", "UTC", Role.ADMIN)])
    return person


async def coaches(house: Home) -> list[Person]:
    newcomers = [
        Newcomer(f"coach{n}@{DOMAIN}", name, zone, Role.COACH)
        for n, (name, zone) in enumerate(COACHES.items(), 1)
    ]
    return await _move_in(house, newcomers)


async def students(house: Home) -> list[Person]:
    zones = itertools.cycle(STUDENT_ZONES)
    newcomers = [
        Newcomer(f"student{n}@{DOMAIN}", name, zone, Role.STUDENT)
        for n, (name, zone) in enumerate(zip(STUDENTS, zones, strict=False), 1)
    ]
    return await _move_in(house, newcomers)


async def _move_in(house: Home, newcomers: Sequence[Newcomer]) -> list[Person]:
    """Their addresses are verified: nobody waits for those mails.

    All share one password and its hash: a fresh one for each takes half a minute.
    """
    state = house.apps["accounts"].state
    if house.password_hash is None:
        house.password_hash = await state.passwords.hash(PASSWORD)
    now = house.clock.now()
    everybody = [
        User(
            email=each.email,
            email_key=each.email.casefold(),
            email_verified=True,
            password_hash=house.password_hash,
            display_name=each.name,
            timezone=each.zone,
            locale="en",
            roles=[each.role.value],
            created_at=now,
        )
        for each in newcomers
    ]
    async with state.sessions.begin() as session:
        for user in everybody:
            await users.tell(session, user, now)
    return [_signed_in(house, user) for user in everybody]


def _signed_in(house: Home, user: User) -> Person:
    signer = house.apps["accounts"].state.signer
    token = signer.access_token(user.id, user.roles, datetime.now(UTC))
    person = Person(house.gateway, user.email, str(user.id))
    person.headers["Authorization"] = f"Bearer {token}"
    return person
