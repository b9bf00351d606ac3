"""`python -m local.stripe`: the double as a server of its own, for containers.

Reads HOST, PORT, WEBHOOK_URL, STRIPE_WEBHOOK_SECRET, PUBLIC_URL and STORE; its product
time is real time.
"""

from pathlib import Path
from typing import Literal

import uvicorn
from pydantic import SecretStr
from pydantic_settings import BaseSettings, SettingsConfigDict

from local.stripe.app import create_app
from local.stripe.settings import DoubleSettings
from shared.clock import SystemClock


class Environment(BaseSettings):
    """It takes test cards for money, so it does not start in production."""

    model_config = SettingsConfigDict(frozen=True, extra="ignore")

    environment: Literal["local"] = "local"
    host: str = "127.0.0.1"
    port: int = 8090
    webhook_url: str
    stripe_webhook_secret: SecretStr
    public_url: str = "http://localhost:8090"
    store: Path | None = None


def main() -> None:
    environment = Environment()
    settings = DoubleSettings(
        webhook_url=environment.webhook_url,
        webhook_secret=environment.stripe_webhook_secret.get_secret_value(),
        public_url=environment.public_url,
        store=environment.store,
    )
    app = create_app(settings, SystemClock())
    uvicorn.run(app, host=environment.host, port=environment.port, access_log=False)


if __name__ == "__main__":
    main()
