"""All that the demonstration shows, on servers and on a laptop."""

from typing import Any

import pytest

from local.demo.show import ACTS
from tests.flows.market import HouseMarket

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]


async def test_all_is_done_from_registration_to_the_last_refund(
    any_market: HouseMarket[Any],
) -> None:
    walk = any_market.walk()

    await walk.main_job()
    await any_market.idle()

    for person in (walk.student, walk.coach):
        asked = await any_market.calendar_mails(person, "METHOD:REQUEST")
        cancelled = await any_market.calendar_mails(person, "METHOD:CANCEL")
        assert (len(asked), len(cancelled)) == (3, 2)
    for act in ACTS:
        await act(walk)
