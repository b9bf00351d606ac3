"""One Stripe account in test mode, as one request sees it."""

import secrets
import time
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from stripe._api_version import _ApiVersion

from local.stripe.errors import invalid, unknown_object, unsupported
from local.stripe.store import Record, Store


class ProductTime(Protocol):
    def now(self) -> datetime:
        """The present instant of the product, with its zone."""
        ...


@dataclass(frozen=True)
class Account:
    """What the account holds, what time it is there, and who asks.

    Lives for one transaction of the store.
    """

    store: Store
    clock: ProductTime
    public_url: str
    request_id: str | None = None
    idempotency_key: str | None = None

    def now(self) -> int:
        """Product time in Unix seconds."""
        return int(self.clock.now().timestamp())

    def get(self, kind: str, key: str, param: str) -> Record:
        """Raises StripeError (404) naming `param` when there is none."""
        record = self.store.get(kind, key)
        if record is None:
            raise unknown_object(kind, key, param)
        return record

    def page(
        self, kind: str, params: dict[str, Any], filters: Collection[str]
    ) -> dict[str, Any]:
        """A list of the API, newest first, a page of 10 unless `limit` says else."""
        only(params, {"limit", "starting_after", "ending_before", *filters})
        limit = params.get("limit", 10)
        if not 1 <= limit <= 100:
            raise invalid("limit is between 1 and 100.", param="limit")
        after, before = params.get("starting_after"), params.get("ending_before")
        for param, key in (("starting_after", after), ("ending_before", before)):
            if key is not None:
                self.get(kind, key, param)
        where = {name: params[name] for name in filters if name in params}
        found = self.store.page(kind, where, limit + 1, after, before)
        shown = found[-limit:] if before else found[:limit]
        return {
            "object": "list",
            "data": [record.body for record in shown],
            "has_more": len(found) > limit,
        }

    def emit(
        self,
        happened: str,
        thing: dict[str, Any],
        before: Mapping[str, Any] | None = None,
    ) -> None:
        """Record an event with the object as it is now, and have it delivered.

        `before` holds the former values of what changed, for `*.updated`.
        """
        data: dict[str, Any] = {"object": thing}
        if before is not None:
            data["previous_attributes"] = dict(before)
        event = new_id("evt")
        body = {
            "id": event,
            "object": "event",
            "api_version": _ApiVersion.CURRENT,
            "created": self.now(),
            "data": data,
            "livemode": False,
            "pending_webhooks": 1,
            "request": {
                "id": self.request_id,
                "idempotency_key": self.idempotency_key,
            },
            "type": happened,
        }
        self.store.put(Record(body))
        self.store.deliver(event, time.time())


def new_id(prefix: str) -> str:
    return f"{prefix}_{secrets.token_hex(12)}"


def only(params: Iterable[str], names: Collection[str], inside: str = "") -> None:
    """Refuse what Stripe knows and we do not, rather than to ignore it."""
    for name in params:
        if name not in names and name != "expand":
            raise unsupported(f"the parameter {inside}{name}")
