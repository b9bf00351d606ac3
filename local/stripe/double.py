"""The double as a whole: one account, and what happens to it without being asked."""

import contextlib
import secrets
from collections.abc import Iterator

from local.stripe import checkout, refunds
from local.stripe.account import Account, ProductTime
from local.stripe.calls import CallLog
from local.stripe.faults import Faults
from local.stripe.settings import DoubleSettings
from local.stripe.store import Store
from local.stripe.webhooks import Webhooks


class Double:
    """Found as `app.state.double` by whoever runs it."""

    def __init__(self, settings: DoubleSettings, clock: ProductTime) -> None:
        self.settings = settings
        self.store = Store(settings.store)
        self.faults = Faults()
        self.calls = CallLog()
        self.webhooks = Webhooks(settings, self.store, self.faults)
        self.keys_in_use: set[str] = set()
        self._clock = clock

    @contextlib.contextmanager
    def acting(
        self, request_id: str | None = None, idempotency_key: str | None = None
    ) -> Iterator[Account]:
        """One transaction, at the present product time; nothing may wait inside."""
        account = Account(
            store=self.store,
            clock=self._clock,
            public_url=self.settings.public_url.rstrip("/"),
            request_id=request_id,
            idempotency_key=idempotency_key,
        )
        with self.store.transaction():
            _let_time_pass(account)
            yield account
        self.webhooks.wake()

    def sweep(self) -> None:
        """Do what is due by now: Checkouts expire, refunds settle. Call it when the
        clock has moved; it also runs each second. Repeating it changes nothing."""
        with self.acting():
            pass

    def pending(self) -> int:
        """How many webhooks, and refunds under way, the outside still has to expect."""
        self.sweep()
        return self.store.undelivered() + self.store.waiting()


def new_request_id() -> str:
    return f"req_{secrets.token_hex(7)}"


def _let_time_pass(account: Account) -> None:
    for record in account.store.due(account.now()):
        if record.body["object"] == "refund":
            refunds.settle(account, record)
        else:
            checkout.close(account, record)
