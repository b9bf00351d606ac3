"""What the gateway routes, what the services offer and what the documents say agree."""

import importlib
import re
from typing import Any

import pytest
from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from gateway.openapi import merge
from gateway.routes import listed
from services.accounts.clients import new_signing_key
from tests.given import FixedClock, a_verifier

BEHIND_THE_GATEWAY = ("accounts", "coaches", "booking", "payments")
VALUES = {
    "database_url": "postgresql+asyncpg://nobody:x@127.0.0.1:1/none",
    "amqp_url": "amqp://nowhere",
    "environment": "local",
    "signing_keys": [new_signing_key()],
    "argon2_memory_kib": 64,
    "stripe_api_key": "sk_test",
    "stripe_webhook_secret": "whsec_test",
    "checkout_success_url": "http://localhost/checkout/success",
    "checkout_cancel_url": "http://localhost/checkout/cancel",
}


def service(name: str) -> FastAPI:
    module = importlib.import_module(f"services.{name}.app")
    settings = getattr(module, f"{name.title()}Settings").model_validate(VALUES)
    app: FastAPI = module.create_app(
        settings, RabbitBroker(), FixedClock(), a_verifier()
    )
    return app


@pytest.fixture(scope="module")
def documents() -> dict[str, dict[str, Any]]:
    return {name: service(name).openapi() for name in BEHIND_THE_GATEWAY}


def shape(path: str) -> str:
    """A path without the names of its parameters."""
    return re.sub(r"\{[^}]+\}", "{}", path)


def operations(document: dict[str, Any]) -> list[tuple[str, str, dict[str, Any]]]:
    return [
        (method.upper(), shape(path), operation)
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_the_gateway_routes_exactly_what_the_services_offer(
    documents: dict[str, dict[str, Any]],
) -> None:
    routed = {(name, method, shape(path)) for name, method, path in listed()}
    offered = {
        (name, method, path)
        for name, document in documents.items()
        for method, path, _ in operations(document)
    }

    assert routed == offered


def test_the_merged_document_has_every_operation_once(
    documents: dict[str, dict[str, Any]],
) -> None:
    merged = operations(merge(documents))

    assert len(merged) == sum(len(operations(each)) for each in documents.values())
    ids = [operation["operationId"] for _, _, operation in merged]
    assert len(set(ids)) == len(ids)


def test_every_operation_is_described_and_tells_its_refusals(
    documents: dict[str, dict[str, Any]],
) -> None:
    silent = [
        f"{method} {path}"
        for method, path, operation in operations(merge(documents))
        if not operation.get("description")
        or (path != "/.well-known/jwks.json" and not refusals(operation))
    ]

    assert silent == []


def refusals(operation: dict[str, Any]) -> list[str]:
    return [
        status
        for status, answer in operation["responses"].items()
        if "application/problem+json" in answer.get("content", {})
    ]


def test_no_refusal_is_described_in_the_shape_of_the_framework(
    documents: dict[str, dict[str, Any]],
) -> None:
    assert "HTTPValidationError" not in str(merge(documents)["paths"])
