"""Who waits for whom.

Always in this order, so that nobody waits in a circle: the coaches, the students, rows
of seats by id, rows of sessions, rows of proposals. Within one kind the lowest key is
first.
"""

from collections.abc import Iterable
from uuid import UUID

from sqlalchemy import text
from sqlmodel.ext.asyncio.session import AsyncSession

COACH, STUDENT = 1, 2
"""The classes of advisory locks; PostgreSQL keys them by two 32-bit integers."""

LOCK = text("""
    SELECT pg_advisory_xact_lock(kind, key)
    FROM unnest(CAST(:kinds AS int[]), CAST(:keys AS int[])) AS people (kind, key)
""")
"""One after the other, in the order of the arrays."""


async def lock_people(
    session: AsyncSession, coaches: Iterable[UUID], students: Iterable[UUID]
) -> None:
    """Be alone with these coaches' times and these students' times until the commit."""
    locks = [
        (kind, key)
        for kind, people in ((COACH, coaches), (STUDENT, students))
        for key in sorted({_key(person) for person in people})
    ]
    if locks:
        kinds, keys = zip(*locks, strict=True)
        connection = await session.connection()
        await connection.execute(LOCK, {"kinds": kinds, "keys": keys})


def _key(person: UUID) -> int:
    """The random end of a UUIDv7; two people of one key only wait for each other."""
    return person.int & 0x7FFFFFFF
