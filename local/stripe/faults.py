"""What goes wrong next, on order."""

from collections import deque
from collections.abc import Collection
from dataclasses import dataclass
from enum import StrEnum

EVERY_OPERATION = "*"
WEBHOOK = "webhook"


class Fault(StrEnum):
    """The first five befall calls of the API, the others the webhook.

    `error_500` answers 500 before any effect, and keeps that answer under the
    idempotency key. `lost_answer` does the work and cuts the connection. `timeout`
    hangs and does the work then. `rate_limit` is a 429, `card_error` a 402.

    `drop` does not send (the retry does), `duplicate` sends twice at once, `delay`
    waits, `reorder` lets another event pass, `forge` signs with a wrong secret,
    `future` signs for an hour ahead; what is refused is sent again as it should be.
    """

    ERROR_500 = "error_500"
    LOST_ANSWER = "lost_answer"
    TIMEOUT = "timeout"
    RATE_LIMIT = "rate_limit"
    CARD_ERROR = "card_error"
    DROP = "drop"
    DUPLICATE = "duplicate"
    DELAY = "delay"
    REORDER = "reorder"
    FORGE = "forge"
    FUTURE = "future"


OF_THE_ANSWER = frozenset({Fault.ERROR_500, Fault.CARD_ERROR})
"""They take the place of the effect, so a saved answer is not touched by them."""

OF_THE_NETWORK = frozenset({Fault.LOST_ANSWER, Fault.TIMEOUT, Fault.RATE_LIMIT})
OF_CALLS = OF_THE_ANSWER | OF_THE_NETWORK
OF_WEBHOOKS = frozenset(Fault) - OF_CALLS


@dataclass
class _Order:
    operation: str
    fault: Fault
    times: int


class Faults:
    """The faults still to happen, oldest order first. Gone with the process."""

    def __init__(self) -> None:
        self._orders: deque[_Order] = deque()

    def order(self, operation: str, fault: Fault, times: int) -> None:
        self._orders.append(_Order(operation, fault, times))

    def forget(self) -> None:
        self._orders.clear()

    def take(self, operation: str, among: Collection[Fault]) -> Fault | None:
        """Use up one of the faults meant for the operation, if there is any."""
        for order in self._orders:
            names = (operation, EVERY_OPERATION) if operation != WEBHOOK else (WEBHOOK,)
            if order.operation in names and order.fault in among:
                order.times -= 1
                if not order.times:
                    self._orders.remove(order)
                return order.fault
        return None
