"""The secrets of one local run: made the first time, then kept beside the data."""

import json
import secrets
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from joserfc.jwk import ECKey

from shared.ids import new_id


@dataclass(frozen=True)
class Keys:
    """`signing` is a list of private JWKs, the first of which signs.

    `rooms` lets people into the stand-in for a Jitsi server.
    """

    signing: list[dict[str, Any]]
    stripe_webhook: str
    stripe_api: str
    rooms: str = field(default_factory=lambda: secrets.token_hex(32))


def keep_keys(path: Path) -> Keys:
    """The keys in the file at `path`; made and written if there is none."""
    if path.exists():
        return Keys(**json.loads(path.read_text()))
    keys = make_keys()
    # Renamed when it is whole: a crash in here leaves no half keys.
    fresh = path.with_suffix(".new")
    fresh.touch(mode=0o600)
    fresh.write_text(json.dumps(asdict(keys)))
    fresh.replace(path)
    return keys


def make_keys() -> Keys:
    """Fresh ones, kept nowhere."""
    signing = ECKey.generate_key("P-256", {"kid": str(new_id())})
    return Keys(
        signing=[dict(signing.as_dict(private=True))],
        stripe_webhook=f"whsec_{secrets.token_hex(16)}",
        stripe_api=f"sk_test_{secrets.token_hex(16)}",
    )
