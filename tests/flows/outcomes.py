"""How a booking has to have ended, whatever went wrong on its way."""

from local.demo.client import Json
from local.demo.walk import RATE, Walk
from tests.flows.market import Market


async def steps(walk: Walk, session: Json) -> list[str]:
    """The states that the session has been in."""
    seen = await walk.student.get(f"/v1/sessions/{session['id']}")
    return [move["to"] for move in seen["history"]]


async def assert_booked_once(market: Market, walk: Walk, session: Json) -> None:
    """One confirmation, one charge, one mail per side, nothing given back."""
    await market.idle()
    seen = await market.session(walk, session, "confirmed")
    assert (await steps(walk, session)).count("confirmed") == 1
    [page] = await market.pages_at_stripe(seen["payment_id"])
    assert (page["payment_status"], page["amount_total"]) == ("paid", RATE)
    assert await market.refunds_at_stripe(seen["payment_id"]) == []
    for person in (walk.student, walk.coach):
        assert len(await market.calendar_mails(person, "METHOD:REQUEST")) == 1
        assert await market.calendar_mails(person, "METHOD:CANCEL") == []


async def assert_all_money_back_once(market: Market, walk: Walk, session: Json) -> None:
    """Stripe made one refund, of everything, and both services say so."""
    await market.idle()
    seen = await walk.student.get(f"/v1/sessions/{session['id']}")
    assert seen["refund"] == {
        "amount": {"amount": RATE, "currency": "USD"},
        "percent": 100,
        "status": "succeeded",
    }
    paid = await walk.student.get(f"/v1/payments/{seen['payment_id']}")
    assert paid["status"] == "refunded"
    [refund] = await market.refunds_at_stripe(seen["payment_id"])
    assert (refund["amount"], refund["status"]) == (RATE, "succeeded")
