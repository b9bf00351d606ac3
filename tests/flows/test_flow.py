"""The main job from registration to refund, on servers and on a laptop."""

from typing import Any

import pytest

from tests.flows.market import HouseMarket

pytestmark = [pytest.mark.asyncio(loop_scope="module"), pytest.mark.timeout(300)]


async def test_the_main_job_is_done_from_registration_to_refund(
    any_market: HouseMarket[Any],
) -> None:
    walk = any_market.walk()

    await walk.everything()
    await any_market.idle()

    for person in (walk.student, walk.coach):
        asked = await any_market.calendar_mails(person, "METHOD:REQUEST")
        cancelled = await any_market.calendar_mails(person, "METHOD:CANCEL")
        assert (len(asked), len(cancelled)) == (3, 2)
