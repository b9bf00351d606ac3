"""Booking says who let too many sessions down: they are not listed for a while."""

import itertools
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest

from services.coaches.models import User
from shared.contracts.booking import CoachPausedV1, CoachResumedV1
from shared.ids import new_id
from tests.coaches.given import Service
from tests.given import NOW


def paused(coach_id: UUID, version: int = 1) -> CoachPausedV1:
    return CoachPausedV1(
        occurred_at=NOW, coach_id=coach_id, version=version, strikes=3, until=NOW
    )


def resumed(coach_id: UUID, version: int = 2) -> CoachResumedV1:
    return CoachResumedV1(occurred_at=NOW, coach_id=coach_id, version=version)


async def test_a_paused_coach_is_not_listed_and_everybody_is_told(
    service: Service,
) -> None:
    coach_id = await service.a_coach()

    await service.hear(paused(coach_id))
    await service.hear(paused(coach_id))

    assert await service.found() == []
    last = (await service.told(coach_id))[-1]
    assert (last.listed, last.verified, last.accepting) == (False, True, True)
    assert len([each for each in await service.told(coach_id) if not each.listed]) == 2
    profile = await service.http.get(f"/v1/coaches/{coach_id}")
    assert profile.status_code == 200, "the profile stays public"


async def test_a_resumed_coach_is_listed_again(service: Service) -> None:
    coach_id = await service.a_coach()
    await service.hear(paused(coach_id))

    await service.hear(resumed(coach_id))

    assert await service.found() == ["Kim"]
    assert (await service.told(coach_id))[-1].listed


@pytest.mark.parametrize("order", [*itertools.permutations(range(3))])
async def test_the_newest_version_counts_in_whatever_order_it_is_heard(
    service: Service, order: Sequence[int]
) -> None:
    coach_id = await service.a_coach()
    said: list[Any] = [paused(coach_id), resumed(coach_id), paused(coach_id, 3)]

    for each in order:
        await service.hear(said[each])

    assert await service.found() == []


async def test_a_coach_cannot_end_the_pause(service: Service) -> None:
    coach_id = await service.a_coach()
    await service.hear(paused(coach_id))

    for accepting in (False, True):
        await service.change(coach_id, accepting_students=accepting)

    assert await service.found() == []


async def test_a_pause_of_somebody_who_is_no_coach_changes_nothing(
    service: Service,
) -> None:
    nobody = new_id()

    await service.hear(paused(nobody))

    assert await service.told(nobody) == []
    async with service.sessions() as session:
        user = await session.get_one(User, nobody)
    assert user.version == 0
