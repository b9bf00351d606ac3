"""The mail server comes and goes; each mail is sent once."""

import pytest

from local.demo.client import until
from tests.flows.market import HouseMarket
from tests.flows.on_servers import ServerHouse

pytestmark = [pytest.mark.asyncio(loop_scope="package"), pytest.mark.timeout(300)]


async def test_mails_wait_for_a_server_that_is_down_and_go_out_once(
    market: HouseMarket[ServerHouse],
) -> None:
    walk, slots = await market.open_shop()
    await market.idle()
    post = market.house.post
    port = post.port

    await post.close()
    session = await walk.hold(slots[0])
    await walk.pay(session)
    await walk.confirmed(session)

    async def waiting() -> bool:
        return (await market.house.pending())["notifications.mails"] == 2

    await until("two mails that wait", waiting)
    await post.listen("127.0.0.1", port)
    await market.idle()

    for person in (walk.student, walk.coach):
        assert len(await market.calendar_mails(person, "METHOD:REQUEST")) == 1


async def test_a_mail_whose_answer_was_lost_is_not_sent_again(
    market: HouseMarket[ServerHouse],
) -> None:
    walk, slots = await market.open_shop()
    await market.idle()

    market.house.post.drop_after_data(2)
    session = await walk.hold(slots[0])
    await walk.pay(session)
    await walk.confirmed(session)
    await market.idle()

    for person in (walk.student, walk.coach):
        assert len(await market.calendar_mails(person, "METHOD:REQUEST")) == 1
