"""Mails under fire: the server down, the sender killed, several at once."""

import asyncio
from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from services.notifications.actions import letters, sending
from services.notifications.actions.claims import claim
from services.notifications.actions.deliveries import real_now
from shared.service import backlog
from tests.notifications.answering import SILENT, answering
from tests.notifications.given import (
    HOUSE,
    World,
    a_postman,
    a_user,
    a_world,
    confirmed,
    said_again,
    to_verify,
)
from tests.servers.private import private_postgres
from tests.servers.run import run_id
from tests.servers.templates import create_database, database_url


async def mails_to_send(world: World) -> int:
    return (await backlog(world.app.state.parts))["mails"]


@pytest.fixture
async def world(world: World) -> World:
    """Ada is known."""
    await world.hear(a_user())
    return world


async def test_headers_let_a_mail_be_found_and_not_answered(world: World) -> None:
    await world.hear(to_verify())
    await world.work()

    [delivery], [mail] = await world.deliveries(), world.mails()
    assert mail["Message-ID"] == f"<{delivery.id}@scrimline.example>"
    assert mail["X-Scrimline-Delivery"] == str(delivery.id)
    assert mail["Auto-Submitted"] == "auto-generated"
    assert mail["Date"].datetime == delivery.created_at.replace(microsecond=0)
    assert str(mail["From"]) == "Scrimline <no-reply@scrimline.example>"
    assert delivery.answer == "250 2.0.0 Stored"


async def test_mails_wait_while_the_server_is_down_and_go_out_after(
    world: World,
) -> None:
    await world.hear_of_both()
    await world.sink.close()
    await world.hear(*(confirmed() for _ in range(8)))

    assert await world.step() == 0
    assert await mails_to_send(world) == 16
    await world.work()
    await world.restart_mailbox()
    await world.skip_delays()
    await world.work()

    assert len(world.mails()) == 16
    assert await mails_to_send(world) == 0
    assert set(await world.states()) == {"sent"}


async def test_a_mail_that_is_refused_for_now_is_tried_again_later(
    world: World,
) -> None:
    await world.hear(to_verify())
    for seconds in (5, 10, 20):
        pause = timedelta(seconds=seconds)
        world.sink.refuse(1)
        before = datetime.now(UTC)
        await world.work()
        after = datetime.now(UTC)
        [delivery] = await world.deliveries()
        assert before + pause <= delivery.due_at <= after + pause
        assert delivery.state == "due"
        assert delivery.answer == "451 4.3.0 Refused for now"
        await world.skip_delays()

    await world.work()

    assert len(world.mails()) == 1


async def test_nothing_is_tried_before_its_pause_is_over(world: World) -> None:
    world.sink.refuse(1)
    await world.hear(to_verify())

    await world.work()
    await world.work()

    [delivery] = await world.deliveries()
    assert (delivery.attempt, len(world.mails())) == (1, 0)
    assert await mails_to_send(world) == 1


async def test_a_mail_that_is_refused_for_good_is_kept_with_the_answer(
    world: World,
) -> None:
    world.sink.refuse(1, 550)
    await world.hear(to_verify())

    await world.work()
    await world.skip_delays()
    await world.work()

    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.attempt) == ("rejected", 1)
    assert delivery.answer == "550 5.7.1 Refused for good"
    assert not world.mails()
    assert await mails_to_send(world) == 0


async def test_a_refused_mail_does_not_hold_up_the_others(world: World) -> None:
    await world.hear(*(to_verify(email=f"u{n}@mail.example") for n in range(4)))
    world.sink.refuse(1)
    world.sink.refuse(1, 550)

    await world.step()

    assert Counter(await world.states()) == {"sent": 2, "due": 1, "rejected": 1}


async def test_a_mail_whose_answer_is_lost_is_not_sent_again(world: World) -> None:
    world.sink.drop_after_data(1)
    await world.hear(to_verify(), to_verify(email="next@mail.example"))

    await world.work()
    await world.skip_delays()
    await world.work()

    assert sorted(await world.states()) == ["sent", "unknown"]
    assert len(world.mails()) == 2
    assert await mails_to_send(world) == 0


async def test_a_sender_killed_before_handing_over_is_replaced(world: World) -> None:
    await world.hear(to_verify())
    async with answering({"DATA": SILENT}) as server:
        postman = a_postman(server.port)
        killed = asyncio.create_task(
            sending.send_due(world.sessions, postman, HOUSE, world.clock)
        )
        await server.reached.wait()
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    await world.work()
    assert not world.mails()  # its claim still runs

    await world.skip_delays()
    await world.work()

    assert len(world.mails()) == 1
    assert await world.states() == ["sent"]


async def test_a_sender_killed_after_handing_over_leaves_it_unknown(
    world: World,
) -> None:
    await world.hear(to_verify())
    async with answering({".": SILENT}) as server:
        postman = a_postman(server.port)
        killed = asyncio.create_task(
            sending.send_due(world.sessions, postman, HOUSE, world.clock)
        )
        await server.reached.wait()
        assert await world.states() == ["handed_over"]
        assert await mails_to_send(world) == 1
        killed.cancel()
        await asyncio.gather(killed, return_exceptions=True)
    assert await sending.give_up_unanswered(world.sessions) == 0

    await world.skip_delays()
    await world.work()
    assert await sending.give_up_unanswered(world.sessions) == 1
    await world.work()

    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.token) == ("unknown", None)
    assert not world.mails()
    assert await mails_to_send(world) == 0


async def test_what_the_server_answered_is_written_down_after_an_outage() -> None:
    with private_postgres() as postgres:
        name = await create_database(postgres.url, run_id(), "services.notifications")
        async with a_world(database_url(postgres.url, name)) as world:
            await world.hear(a_user(), to_verify())
            async with answering({".": SILENT}) as server:
                postman = a_postman(server.port)
                sender = asyncio.create_task(
                    sending.send_due(world.sessions, postman, HOUSE, world.clock)
                )
                await server.reached.wait()
                await asyncio.to_thread(postgres.stop)
                server.proceed.set()
                await asyncio.wait([sender], timeout=2 * sending.PAUSE)
                assert not sender.done()
                await asyncio.to_thread(postgres.start)
                assert await sender == 1

            assert await world.states() == ["sent"]


async def test_a_sender_that_was_too_slow_gives_way(world: World) -> None:
    await world.hear(to_verify())
    async with answering({"DATA": SILENT}) as server:
        slow = asyncio.create_task(
            sending.send_due(world.sessions, a_postman(server.port), HOUSE, world.clock)
        )
        await server.reached.wait()
        await world.skip_delays()
        await world.work()
        server.proceed.set()
        await slow

    assert not server.mails
    assert len(world.mails()) == 1
    assert await world.states() == ["sent"]


async def test_a_sender_does_not_hand_over_what_another_has_claimed(
    world: World,
) -> None:
    await world.hear(to_verify())
    async with answering({"DATA": SILENT}) as server:
        slow = asyncio.create_task(
            sending.send_due(world.sessions, a_postman(server.port), HOUSE, world.clock)
        )
        await server.reached.wait()
        await world.skip_delays()
        [_] = await claim(world.sessions)
        server.proceed.set()
        await slow

    [delivery] = await world.deliveries()
    assert (delivery.state, delivery.attempt) == ("due", 2)
    assert not server.mails


async def test_an_answer_that_comes_after_it_was_given_up_changes_nothing(
    world: World,
) -> None:
    await world.hear(to_verify())
    async with answering({".": SILENT}) as server:
        slow = asyncio.create_task(
            sending.send_due(world.sessions, a_postman(server.port), HOUSE, world.clock)
        )
        await server.reached.wait()
        await world.skip_delays()
        await sending.give_up_unanswered(world.sessions)
        server.proceed.set()
        await slow

    assert await world.states() == ["unknown"]


async def test_many_senders_at_once_send_each_mail_once(world: World) -> None:
    await world.hear_of_both()
    await world.hear(*(confirmed() for _ in range(25)))

    await asyncio.gather(*(world.work() for _ in range(4)))

    ids = [mail["X-Scrimline-Delivery"] for mail in world.mails()]
    assert len(ids) == len(set(ids)) == 50
    assert set(await world.states()) == {"sent"}
    assert {each.attempt for each in await world.deliveries()} == {1}


async def test_a_batch_shares_one_connection(world: World) -> None:
    await world.hear(*(to_verify(email=f"u{n}@mail.example") for n in range(5)))

    async with answering() as server:
        await sending.send_due(
            world.sessions, a_postman(server.port), HOUSE, world.clock
        )

    assert (server.connections, len(server.mails)) == (1, 5)


async def test_a_server_that_closes_in_between_loses_nothing(world: World) -> None:
    await world.hear(*(to_verify(email=f"u{n}@mail.example") for n in range(3)))

    async with answering({"RCPT": "421 too many"}) as server:
        step = sending.send_due(
            world.sessions, a_postman(server.port), HOUSE, world.clock
        )
        assert await step == 0
    await world.skip_delays()
    await world.work()

    assert len(world.mails()) == 3


async def test_a_mail_that_cannot_be_written_does_not_hold_up_the_others(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    await world.hear(to_verify(email="first@mail.example"), to_verify())
    whole, calls = letters.write, []

    def failing_once(*given: Any) -> tuple[str, bytes]:
        calls.append(given)
        if len(calls) == 1:
            raise LookupError("no such template")
        return whole(*given)

    monkeypatch.setattr(letters, "write", failing_once)
    await world.step()
    assert sorted(await world.states()) == ["due", "sent"]

    await world.skip_delays()
    await world.work()
    assert len(world.mails()) == 2


async def test_a_sent_mail_is_not_made_due_by_hearing_its_reason_again(
    world: World,
) -> None:
    seat = confirmed()
    await world.hear_of_both()
    await world.hear(seat)
    await world.work()

    await world.hear(said_again(seat))

    assert await world.states() == ["sent", "sent"]


async def test_claims_run_out(world: World) -> None:
    await world.hear(to_verify())

    [first] = await claim(world.sessions)
    assert await claim(world.sessions) == []
    await world.skip_delays()
    [second] = await claim(world.sessions)

    assert first.delivery.id == second.delivery.id
    assert (first.delivery.attempt, second.delivery.attempt) == (1, 2)
    assert second.delivery.due_at > real_now() + timedelta(minutes=1)
