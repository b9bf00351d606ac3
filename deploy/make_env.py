"""`python -m deploy.make_env` writes `.env`: `.env.example` with fresh secrets."""

import json
import secrets
import sys
from pathlib import Path

from services.accounts.clients import new_signing_key

ROOT = Path(__file__).parents[1]


def filled(example: str) -> str:
    """The text with a random value for every variable that is empty in it."""
    lines = []
    for line in example.splitlines():
        name, equals, value = line.partition("=")
        empty = equals and not value and not line.startswith("#")
        lines.append(f"{line}{_fresh(name)}" if empty else line)
    return "\n".join([*lines, ""])


def _fresh(name: str) -> str:
    match name:
        case "SIGNING_KEYS":
            return f"'{json.dumps([new_signing_key()])}'"
        case "STRIPE_API_KEY":
            return f"sk_test_{secrets.token_hex(16)}"
        case "STRIPE_WEBHOOK_SECRET":
            return f"whsec_{secrets.token_hex(16)}"
        case _:
            return secrets.token_hex(16)


def main(folder: Path = ROOT) -> None:
    """An `.env` that is there is kept: its databases know its passwords."""
    target = folder / ".env"
    text = filled((folder / ".env.example").read_text())
    try:
        target.touch(mode=0o600, exist_ok=False)
    except FileExistsError:
        sys.exit(f"{target} is there already; remove it to have new secrets")
    target.write_text(text)


if __name__ == "__main__":
    main()
