"""What the API was asked lately."""

from collections import deque
from datetime import datetime
from typing import Any

from pydantic import BaseModel

KEPT = 1_000


class Call(BaseModel):
    """A request to the API.

    `operation` is the SDK's name for it, null when Stripe has none; `at` is real time;
    `status` is null as long as, and when, nothing was answered.
    """

    seq: int
    operation: str | None = None
    method: str
    path: str
    params: dict[str, Any]
    idempotency_key: str | None
    status: int | None = None
    at: datetime


class CallLog:
    """The last thousand calls, in memory."""

    def __init__(self) -> None:
        self._calls: deque[Call] = deque(maxlen=KEPT)
        self._next = 1

    def open(
        self, method: str, path: str, idempotency_key: str | None, at: datetime
    ) -> Call:
        """Note a call that has just come in; the caller fills in what becomes of it."""
        call = Call(
            seq=self._next,
            method=method,
            path=path,
            params={},
            idempotency_key=idempotency_key,
            at=at,
        )
        self._next += 1
        self._calls.append(call)
        return call

    def before(self, seq: int | None, limit: int) -> list[Call]:
        """Newest first, those older than `seq` if given."""
        older = [call for call in self._calls if seq is None or call.seq < seq]
        return older[::-1][:limit]
