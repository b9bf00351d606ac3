"""The Checkout page: an HTML form without scripts, for people and for plain POSTs."""

import secrets
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path
from typing import Annotated, Literal
from urllib.parse import urlsplit

from babel.numbers import format_currency, get_currency_precision
from fastapi import APIRouter, Form, Request
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from pydantic import BaseModel
from starlette.responses import HTMLResponse, RedirectResponse, Response

from local.stripe import checkout
from local.stripe.account import Account
from local.stripe.cards import CardRefused, read_card
from local.stripe.double import Double
from local.stripe.store import Record

router = APIRouter(prefix="/c/pay")

PAGES = Environment(
    loader=FileSystemLoader(Path(__file__).parent / "templates"),
    autoescape=True,
    undefined=StrictUndefined,
)


class Filled(BaseModel):
    """The form as sent. Cards are asked for with `pay`, 3D Secure with the last two."""

    action: Literal["pay", "cancel", "authorize", "fail"]
    card_number: str = ""
    expiry: str = ""
    cvc: str = ""


@router.get("/{key}")
async def show(key: str, request: Request) -> Response:
    double: Double = request.app.state.double
    with double.acting() as account:
        session = account.store.get("checkout.session", key)
        if session is None or session.body["status"] != "open":
            return _closed(session)
        if checkout.waiting_for_authentication(account, session):
            return _render("authenticate.html", session)
        return _render("card.html", session, reason=None)


@router.post("/{key}")
async def submit(
    key: str, form: Annotated[Filled, Form()], request: Request
) -> Response:
    """Paid: 303 to the success page. Refused: 402 with the reason, still open."""
    double: Double = request.app.state.double
    with double.acting() as account:
        session = account.store.get("checkout.session", key)
        if session is None or session.body["status"] != "open":
            return _closed(session)
        match form.action:
            case "cancel":
                return _back(session)
            case "pay":
                return _pay(account, session, form)
            case _:
                return _authenticate(account, session, granted=form.action != "fail")


def _pay(account: Account, session: Record, form: Filled) -> Response:
    try:
        now = account.clock.now()
        card = read_card(form.card_number, form.expiry, form.cvc, now)
    except CardRefused as refused:
        return _refused(session, str(refused))
    decline = checkout.pay(account, session, card)
    if decline is not None:
        return _refused(session, decline.message)
    if session.body["status"] == "open":
        return _render("authenticate.html", session)
    return _paid(session)


def _authenticate(account: Account, session: Record, *, granted: bool) -> Response:
    if not checkout.waiting_for_authentication(account, session):
        return _refused(session, "There is nothing to authenticate. Enter a card.")
    decline = checkout.authenticate(account, session, granted=granted)
    if decline is not None:
        return _refused(session, decline.message)
    return _paid(session)


def _paid(session: Record) -> Response:
    return RedirectResponse(_success_url(session), 303)


def _back(session: Record) -> Response:
    if session.body["cancel_url"] is None:
        return _refused(session, "The seller gave no page to go back to.")
    return RedirectResponse(session.body["cancel_url"], 303)


def _refused(session: Record, reason: str) -> Response:
    return _render("card.html", session, 402, reason=reason)


def _closed(session: Record | None) -> Response:
    if session is None:
        return _render("closed.html", None, 404, state="unknown", onward=None)
    state = session.body["status"]
    if state == "complete":
        return _render(
            "closed.html", session, state=state, onward=_success_url(session)
        )
    onward = session.body["cancel_url"]
    return _render("closed.html", session, 410, state=state, onward=onward)


def _success_url(session: Record) -> str:
    url: str = session.body["success_url"]
    return url.replace("{CHECKOUT_SESSION_ID}", session.body["id"])


def _render(
    template: str, session: Record | None, status: int = 200, **values: object
) -> Response:
    nonce = secrets.token_urlsafe(16)
    if session is not None:
        values |= _summary(session)
    html = PAGES.get_template(template).render(values, nonce=nonce)
    headers = {
        "Content-Security-Policy": _policy(session, nonce),
        "Cache-Control": "no-store",
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }
    return HTMLResponse(html, status, headers)


def _policy(session: Record | None, nonce: str) -> str:
    """Browsers apply form-action to the redirect after the form too."""
    targets = {"'self'"}
    if session is not None:
        urls = (session.body["success_url"], session.body["cancel_url"])
        targets |= {_origin(url) for url in urls if url}
    return (
        f"default-src 'none'; style-src 'nonce-{nonce}'; img-src data:;"
        " base-uri 'none'; frame-ancestors 'none';"
        f" form-action {' '.join(sorted(targets))}"
    )


def _origin(url: str) -> str:
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}"


def _summary(session: Record) -> dict[str, object]:
    currency = session.body["currency"]
    items = session.hidden["line_items"]
    return {
        "amount": shown_amount(session.body["amount_total"], currency),
        "items": [
            {
                "name": item["description"],
                "quantity": item["quantity"],
                "amount": shown_amount(item["amount_total"], currency),
            }
            for item in items
        ],
        "can_cancel": session.body["cancel_url"] is not None,
        "email": session.body["customer_email"],
        "expires": datetime.fromtimestamp(session.body["expires_at"], UTC),
    }


def shown_amount(amount: int, currency: str) -> str:
    """Minor units as people read them: `4500 usd` is $45.00, `4500 jpy` is ¥4,500."""
    code = currency.upper()
    value = Decimal(amount).scaleb(-get_currency_precision(code))
    return format_currency(value, code, locale="en_US")
