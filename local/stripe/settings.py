from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True)
class DoubleSettings:
    """How one double is set up.

    `public_url` is where browsers reach the Checkout page. `store` is the file that
    keeps the state over restarts; without one it lives in memory. `stall_seconds` is
    how long a request under the fault `timeout` hangs, in real time: longer than a
    client should wait.
    """

    webhook_url: str
    webhook_secret: str
    public_url: str
    store: Path | None = None
    api_key_prefix: str = "sk_"
    stall_seconds: float = 30
