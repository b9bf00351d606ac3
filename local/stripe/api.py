"""The API as the SDK meets it: keys, the contract, idempotency, faults, answers."""

import asyncio
import base64
import binascii
import json
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from fastapi import APIRouter, Request
from starlette.responses import Response
from starlette.types import Receive, Scope, Send

from local.stripe import checkout, contract, events, forms, intents, refunds
from local.stripe.account import Account
from local.stripe.calls import Call
from local.stripe.contract import Operation
from local.stripe.double import Double, new_request_id
from local.stripe.errors import StripeError, unsupported
from local.stripe.expand import expand
from local.stripe.faults import OF_CALLS, OF_THE_NETWORK, Fault
from local.stripe.store import Answer

router = APIRouter()

KEY_KEPT = 24 * 60 * 60
"""Seconds for which the first answer to an idempotency key is repeated."""

LONGEST_KEY = 255

IMPLEMENTED: dict[str, Callable[..., dict[str, Any]]] = {
    "charges.retrieve": intents.retrieve_charge,
    "checkout.sessions.create": checkout.create,
    "checkout.sessions.expire": checkout.expire,
    "checkout.sessions.list": checkout.list_,
    "checkout.sessions.retrieve": checkout.retrieve,
    "events.retrieve": events.retrieve,
    "payment_intents.retrieve": intents.retrieve_intent,
    "refunds.create": refunds.create,
    "refunds.list": refunds.list_,
    "refunds.retrieve": refunds.retrieve,
}


@router.api_route("/{path:path}", methods=["GET", "POST", "PUT", "PATCH", "DELETE"])
async def call(request: Request) -> Response:
    """Everything that is not the double's own is taken for a call of Stripe's API."""
    double: Double = request.app.state.double
    path = request.scope["path"]
    key = request.headers.get("Idempotency-Key") or None
    if request.method != "POST":
        key = None
    noted = double.calls.open(request.method, path, key, datetime.now(UTC))
    request_id = new_request_id()
    try:
        answer, headers = await _answer(double, request, noted, request_id)
    except StripeError as refusal:
        answer = Answer("", refusal.status, json.dumps(refusal.body()))
        headers = {}
    except NoAnswer:
        return BrokenConnection()
    noted.status = answer.status
    if answer.status >= 500:  # the same key would only repeat it
        headers["Stripe-Should-Retry"] = "false"
    return Response(
        answer.body,
        answer.status,
        {"Request-Id": request_id, **headers},
        media_type="application/json",
    )


async def _answer(
    double: Double, request: Request, noted: Call, request_id: str
) -> tuple[Answer, dict[str, str]]:
    _check_key(request.headers.get("Authorization", ""), double.settings.api_key_prefix)
    operation, ids = contract.find(request.method, noted.path)
    noted.operation = operation.name
    noted.params = forms.decode(await _form(request))
    if operation.name not in IMPLEMENTED:
        raise unsupported(operation.name)
    params = contract.read(operation, noted.params)
    demand = Demand(operation, ids, params, request_id, noted.idempotency_key)
    return await _once(double, demand)


def _check_key(authorization: str, prefix: str) -> None:
    scheme, _, credentials = authorization.partition(" ")
    if scheme.lower() == "basic":  # curl -u sk_test_…:
        try:
            credentials = base64.b64decode(credentials, validate=True).decode()
        except (binascii.Error, UnicodeDecodeError):
            credentials = ""
        credentials = credentials.partition(":")[0]
    if not credentials:
        raise StripeError(
            401, "invalid_request_error", "You did not provide an API key."
        )
    if not credentials.startswith(prefix):
        raise StripeError(401, "invalid_request_error", "Invalid API key provided.")


async def _form(request: Request) -> str:
    if request.method != "POST":
        return request.url.query
    try:
        return (await request.body()).decode()
    except UnicodeDecodeError as error:
        raise StripeError(
            400, "invalid_request_error", "Invalid request: it is not UTF-8."
        ) from error


# Idempotency and faults


@dataclass(frozen=True)
class Demand:
    """A request that the contract allows."""

    operation: Operation
    ids: list[str]
    params: dict[str, Any]
    request_id: str
    key: str | None

    def fingerprint(self) -> str:
        """What must be the same when the key is used again."""
        operation = self.operation
        asked = [operation.method, operation.path, self.ids, self.params]
        return json.dumps(asked, sort_keys=True)


class NoAnswer(Exception):  # noqa: N818 - it is what happens, not what went wrong
    """The work is done and nobody is told."""


async def _once(double: Double, demand: Demand) -> tuple[Answer, dict[str, str]]:
    """Do it, or repeat the first answer given under its idempotency key.

    As Stripe does: the first answer is kept whatever its status, once the work began;
    refusals before that (401, 429, an invalid parameter, a key in use) are not.
    """
    saved = _saved(double, demand)
    fault = double.faults.take(
        demand.operation.name, OF_THE_NETWORK if saved else OF_CALLS
    )
    if fault is Fault.RATE_LIMIT:
        raise StripeError(
            429, "invalid_request_error", "Too many requests.", code="rate_limit"
        )
    if demand.key is not None:
        double.keys_in_use.add(demand.key)
    try:
        if fault is Fault.TIMEOUT:
            await asyncio.sleep(double.settings.stall_seconds)
        answer = saved or _perform(double, demand, fault)
    finally:
        double.keys_in_use.discard(demand.key or "")
    if fault is Fault.LOST_ANSWER:
        raise NoAnswer
    return answer, {"Idempotent-Replayed": "true"} if saved else {}


def _saved(double: Double, demand: Demand) -> Answer | None:
    if demand.key is None:
        return None
    if len(demand.key) > LONGEST_KEY:
        raise _key_error(
            400, f"An idempotency key has at most {LONGEST_KEY} characters."
        )
    if demand.key in double.keys_in_use:
        raise _key_error(
            409,
            "Another request with this idempotency key is being worked on.",
            "idempotency_key_in_use",
        )
    with double.store.transaction():
        double.store.forget_answers(before=time.time() - KEY_KEPT)
    saved = double.store.answer(demand.key)
    if saved is not None and saved.request != demand.fingerprint():
        raise _key_error(400, "This idempotency key belongs to another request.")
    return saved


def _key_error(status: int, message: str, code: str | None = None) -> StripeError:
    return StripeError(status, "idempotency_error", message, code=code)


def _perform(double: Double, demand: Demand, fault: Fault | None) -> Answer:
    with double.acting(demand.request_id, demand.key) as account:
        try:
            status, body = 200, _act(account, demand, fault)
        except StripeError as refusal:
            status, body = refusal.status, refusal.body()
        answer = Answer(demand.fingerprint(), status, json.dumps(body))
        if demand.key is not None:
            account.store.save_answer(demand.key, answer, time.time())
    return answer


def _act(account: Account, demand: Demand, fault: Fault | None) -> dict[str, Any]:
    if fault is Fault.ERROR_500:
        raise StripeError(500, "api_error", "An unknown error occurred.")
    if fault is Fault.CARD_ERROR:
        raise StripeError(
            402,
            "card_error",
            "Your card was declined.",
            code="card_declined",
            decline_code="generic_decline",
        )
    body = IMPLEMENTED[demand.operation.name](account, demand.params, *demand.ids)
    return expand(account, body, demand.params.get("expand"))


class BrokenConnection(Response):
    """Ends the connection without a byte, as when a network fails in between."""

    async def __call__(self, scope: Scope, receive: Receive, _: Send) -> None:
        scope["transport"].abort()
        while (await receive())["type"] != "http.disconnect":
            pass
