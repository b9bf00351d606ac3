"""`python -m local.servers.double`: the Stripe double, on the time of the others."""

import uvicorn

from local.clock import MovableClock
from local.settings import LocalSettings
from local.stripe.__main__ import Environment
from local.stripe.app import create_app
from local.stripe.settings import DoubleSettings
from shared import logs


def main() -> None:
    """Serve until a signal says to stop."""
    local, environment = LocalSettings(), Environment()
    logs.configure("stripe", local.log_level)
    settings = DoubleSettings(
        webhook_url=environment.webhook_url,
        webhook_secret=environment.stripe_webhook_secret.get_secret_value(),
        public_url=environment.public_url,
        store=environment.store,
    )
    app = create_app(settings, MovableClock(local.data / "clock"))
    uvicorn.run(
        app,
        host=environment.host,
        port=environment.port,
        log_config=None,
        access_log=False,
    )


if __name__ == "__main__":
    main()
