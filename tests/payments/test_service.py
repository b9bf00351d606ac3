import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from faststream.rabbit import RabbitQueue

from services.payments.events import handlers
from shared.broker import declare_topology, events_exchange, make_broker
from shared.contracts import Event
from tests.payments.given import a_seat_held, a_world, cancelled


async def test_money_comes_and_goes_back_through_real_servers(
    database: Callable[[str], Awaitable[str]], amqp_vhost: str
) -> None:
    """Workers, relay, handlers and webhooks together, as the process runs them."""
    seat = a_seat_held()
    booking = make_broker(amqp_vhost)
    async with a_world(await database("payments"), amqp_vhost) as world, booking:
        world.post.forwards = world.client
        await declare_topology(booking, handlers)
        heard = await booking.declare_queue(RabbitQueue("test.heard"))
        await heard.bind("events", routing_key="payments.#")

        async def say(event: Event) -> None:
            await booking.publish(
                event, exchange=events_exchange(), routing_key=event.name, persist=True
            )

        async def becomes(payment: dict[str, Any], status: str) -> None:
            async with asyncio.timeout(15):
                while (await world.show(payment, seat.student_id))["status"] != status:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)

        async def page() -> dict[str, Any]:
            async with asyncio.timeout(20):
                # 404 as long as the seat has not been heard of.
                while (answer := await world.ask_to_pay(seat)).is_error:  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            return dict(answer.json())

        async with world.app.router.lifespan_context(world.app):
            await say(seat)
            payment = await page()
            await world.use_card(payment)
            await becomes(payment, "succeeded")
            await say(cancelled(seat, refund=4999))
            await becomes(payment, "refunded")
            names = [(await heard.get(timeout=10)).routing_key for _ in range(2)]

    assert names == ["payments.succeeded.v1", "payments.refunded.v1"]
