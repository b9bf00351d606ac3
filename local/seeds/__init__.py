"""The people and sessions a fresh local house starts with."""

from datetime import timedelta

from local.seeds import bookings, coaches, people
from local.seeds.people import planted
from local.settings import PASSWORD

PAST = timedelta(days=14)
"""How far back the planted history reaches."""

ENDED = timedelta(days=1)
"""So long ago the last planted session took place, at least."""


async def basics(house: people.Home) -> None:
    """What every house needs: an admin and the games; planted once."""
    if not await planted(house):
        admin = await people.admin(house)
        await coaches.games(admin)


async def plant(house: people.Home) -> None:
    """Plant the demo data in a fresh house; one that has any stays as it is.

    History is lived through: the clock is set back, people register, book and pay at
    the gateway, and time comes forward again once all of that is done. A clock that was
    left behind says that it was not: RuntimeError, since half of it may be there.
    """
    if house.clock.behind:
        raise RuntimeError(
            "the demo data was planted only in part: forget the data and databases"
        )
    if await planted(house):
        return
    await house.advance(-PAST)
    admin = await people.admin(house)
    await coaches.games(admin)
    teachers = await people.coaches(house)
    students = await people.students(house)
    await house.idle()
    await coaches.open_shops(admin, teachers)
    await house.idle()
    seats = await bookings.book(house, teachers, students)
    come = await bookings.attend(house, seats, PAST - ENDED)
    await house.advance(PAST - come)
    await house.idle()


__all__ = ["PASSWORD", "basics", "plant", "planted"]
