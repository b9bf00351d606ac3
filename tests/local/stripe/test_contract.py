from typing import Any

import pytest

from local.stripe import contract, forms
from local.stripe.errors import StripeError

CREATE = contract.find("POST", "/v1/checkout/sessions")[0]
PRICE = "line_items[0][price_data]"


def read(form: str) -> dict[str, Any]:
    return contract.read(CREATE, forms.decode(form))


def refusal(form: str) -> dict[str, Any]:
    with pytest.raises(StripeError) as refused:
        read(form)
    assert refused.value.status == 400
    assert refused.value.error["type"] == "invalid_request_error"
    return refused.value.error


def test_every_operation_of_the_sdk_is_known_by_its_name() -> None:
    names = {operation.name for operation in contract.operations()}
    assert len(names) > 600
    assert {"checkout.sessions.expire", "refunds.create", "v1"} - names == {"v1"}


@pytest.mark.parametrize(
    ("method", "path", "name", "ids"),
    [
        ("GET", "/v1/checkout/sessions", "checkout.sessions.list", []),
        ("GET", "/v1/checkout/sessions/cs_1", "checkout.sessions.retrieve", ["cs_1"]),
        ("POST", "/v1/refunds/re_1/cancel", "refunds.cancel", ["re_1"]),
        ("GET", "/v1/payment_intents/search", "payment_intents.search", []),
    ],
)
def test_a_url_names_an_operation(
    method: str, path: str, name: str, ids: list[str]
) -> None:
    operation, found = contract.find(method, path)
    assert (operation.name, found) == (name, ids)


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", "/v1/nothing"),
        ("DELETE", "/v1/refunds"),
        ("GET", "/v1/refunds/"),
        ("GET", "/"),
    ],
)
def test_a_url_that_stripe_does_not_have_is_a_404(method: str, path: str) -> None:
    with pytest.raises(StripeError) as refused:
        contract.find(method, path)
    assert refused.value.status == 404


def test_texts_become_the_types_of_the_contract() -> None:
    params = read(
        "mode=payment&expires_at=1781000000&allow_promotion_codes=false"
        f"&{PRICE}[currency]=usd&{PRICE}[unit_amount]=4500&line_items[0][quantity]=2"
    )
    assert params == {
        "mode": "payment",
        "expires_at": 1781000000,
        "allow_promotion_codes": False,
        "line_items": [
            {"quantity": 2, "price_data": {"currency": "usd", "unit_amount": 4500}}
        ],
    }


def test_numeric_names_of_metadata_stay_names() -> None:
    assert read("metadata[0]=a&metadata[1]=b")["metadata"] == {"0": "a", "1": "b"}


def test_a_list_may_come_without_numbers() -> None:
    params = read(
        "excluded_payment_method_types[]=card&excluded_payment_method_types[]=zip"
    )
    assert params["excluded_payment_method_types"] == ["card", "zip"]


@pytest.mark.parametrize(
    ("form", "param", "code"),
    [
        ("coupon=x", "coupon", "parameter_unknown"),
        ("idempotency_key=x", "idempotency_key", "parameter_unknown"),
        (
            f"{PRICE}[currency]=usd&{PRICE}[amount]=1",
            f"{PRICE}[amount]",
            "parameter_unknown",
        ),
        (f"{PRICE}[unit_amount]=1", f"{PRICE}[currency]", "parameter_missing"),
        ("expires_at=soon", "expires_at", "parameter_invalid_integer"),
        ("expires_at=1.0", "expires_at", "parameter_invalid_integer"),
        (
            "line_items[0][quantity]=",
            "line_items[0][quantity]",
            "parameter_invalid_integer",
        ),
        ("success_url=", "success_url", "parameter_invalid_empty"),
        ("allow_promotion_codes=yes", "allow_promotion_codes", None),
        ("mode=gift", "mode", None),
        ("line_items=2", "line_items", None),
        ("metadata=x", "metadata", None),
        ("mode[a]=x", "mode", None),
    ],
)
def test_a_wrong_parameter_is_named(form: str, param: str, code: str | None) -> None:
    error = refusal(form)
    assert (error["param"], error.get("code")) == (param, code)
    assert param in error["message"] or code == "parameter_invalid_integer"


@pytest.mark.parametrize(
    "form", ["a=1&a[b]=2", "a[b]=1&a=2", "[a]=1", "a[b=1", "a]b[=1", "a=%ff"]
)
def test_a_form_that_contradicts_itself_is_refused(form: str) -> None:
    with pytest.raises(StripeError) as refused:
        forms.decode(form)
    assert refused.value.status == 400


def test_an_operation_without_parameters_takes_none() -> None:
    bare = contract.Operation("x", "GET", "/v1/x", "")
    assert contract.read(bare, {}) == {}
    with pytest.raises(StripeError):
        contract.read(bare, {"a": "1"})
