from fastapi import FastAPI
from faststream.rabbit import RabbitBroker

from services.payments import api
from services.payments.actions import checkout, refunds
from services.payments.clients import Stripe
from services.payments.events import handlers
from services.payments.settings import PaymentsSettings
from shared.auth import Verifier
from shared.clock import Clock
from shared.db import work_committed
from shared.service import Parts, assemble, main, make_app
from shared.workers import Worker


def create_app(
    settings: PaymentsSettings,
    broker: RabbitBroker | None = None,
    clock: Clock | None = None,
    verifier: Verifier | None = None,
) -> FastAPI:
    """The payments service; local mode and tests hand in what is not on a server."""
    parts = assemble(
        "payments",
        settings,
        handlers,
        router=api.router,
        broker=broker,
        clock=clock,
        verifier=verifier,
    )
    stripe = Stripe(
        settings.stripe_api_key.get_secret_value(),
        settings.stripe_webhook_secret.get_secret_value(),
        settings.stripe_api_base,
        settings.checkout_success_url,
        settings.checkout_cancel_url,
    )
    parts.resources.append(stripe)
    _employ(parts, stripe)
    app = make_app(parts)
    app.state.stripe = stripe
    return app


def _employ(parts: Parts, stripe: Stripe) -> None:
    async def checkouts() -> int:
        return await checkout.attend_to_due(parts.sessions, stripe, parts.clock)

    async def send_refunds() -> int:
        return await refunds.send_due(parts.sessions, stripe, parts.clock)

    committed = work_committed(parts.sessions)
    parts.workers += [
        Worker("payments.checkouts", checkouts, committed.subscribe()),
        Worker("payments.refunds", send_refunds, committed.subscribe()),
    ]
    parts.backlogs |= {
        "refunds_to_send": refunds.waiting,
        "checkouts_to_close": checkout.to_close,
        "payments_unknown": checkout.unanswered,
    }


if __name__ == "__main__":
    settings = PaymentsSettings()
    main("services.payments", settings, handlers, lambda: create_app(settings))
