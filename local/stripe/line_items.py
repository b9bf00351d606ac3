"""What a Checkout Session sells, and what Stripe can charge for it."""

from typing import Any

from babel.numbers import list_currencies

from local.stripe import blanks
from local.stripe.account import new_id, only
from local.stripe.errors import invalid, missing

LARGEST_AMOUNT = 99_999_999

SMALLEST_AMOUNTS = {
    "usd": 50, "aed": 200, "aud": 50, "bgn": 100, "brl": 50, "cad": 50, "chf": 50,
    "czk": 1500, "dkk": 250, "eur": 50, "gbp": 30, "hkd": 400, "huf": 17500,
    "inr": 50, "jpy": 50, "mxn": 1000, "myr": 200, "nok": 300, "nzd": 50,
    "pln": 200, "ron": 200, "sek": 300, "sgd": 50, "thb": 1000,
}  # fmt: skip
"""docs.stripe.com/currencies, in minor units; other currencies are not checked."""


def read(params: dict[str, Any]) -> list[dict[str, Any]]:
    """The line items of a new session. Raises StripeError (400)."""
    asked = params.get("line_items")
    if not asked:
        raise missing("line_items")
    return [_read_one(item, f"line_items[{at}]") for at, item in enumerate(asked)]


def _read_one(item: dict[str, Any], where: str) -> dict[str, Any]:
    only(item, {"price_data", "quantity"}, f"{where}.")
    for name in ("price_data", "quantity"):
        if name not in item:
            raise missing(f"{where}[{name}]")
    price, quantity = item["price_data"], item["quantity"]
    only(price, {"currency", "unit_amount", "product_data"}, f"{where}.price_data.")
    for name in ("unit_amount", "product_data"):
        if name not in price:
            raise missing(f"{where}[price_data][{name}]")
    smallest = {"quantity": (quantity, 1), "unit_amount": (price["unit_amount"], 0)}
    for name, (value, least) in smallest.items():
        if value < least:
            raise invalid(
                f"{name} is at least {least}.",
                param=f"{where}[{name}]",
                code="parameter_invalid_integer",
            )
    amount = price["unit_amount"] * quantity
    return blanks.LINE_ITEM | {
        "id": new_id("li"),
        "amount_subtotal": amount,
        "amount_total": amount,
        "currency": price["currency"].lower(),
        "description": price["product_data"]["name"],
        "price": None,
        "quantity": quantity,
    }


def total(items: list[dict[str, Any]]) -> tuple[int, str]:
    """The amount in minor units and its currency. Raises StripeError (400)."""
    currency = _currency(items)
    amount = sum(item["amount_total"] for item in items)
    _check_total(amount, currency)
    return amount, currency


def _currency(items: list[dict[str, Any]]) -> str:
    currency = str(items[0]["currency"])
    param = "line_items[0][price_data][currency]"
    if currency.upper() not in list_currencies():
        raise invalid(f"Invalid currency: {currency}", param=param)
    if any(item["currency"] != currency for item in items):
        raise invalid("All line items must have one currency.", param="line_items")
    return currency


def _check_total(total: int, currency: str) -> None:
    if total < SMALLEST_AMOUNTS.get(currency, 1):
        raise invalid(
            f"The total of {total} {currency} is below the least that can be charged.",
            param="line_items",
            code="amount_too_small",
        )
    if total > LARGEST_AMOUNT:
        raise invalid(
            "The total has more than eight digits.",
            param="line_items",
            code="amount_too_large",
        )
