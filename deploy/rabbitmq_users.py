"""Give RabbitMQ one user for each service, with no more rights than it needs.

Runs once beside RabbitMQ with nothing but Python's own library, and waits for it.
Repeating it sets passwords and rights anew. Reads MANAGEMENT_URL, ADMIN_USER,
ADMIN_PASSWORD and `<USER>_AMQP_PASSWORD` of every user in `rabbitmq-permissions.json`.

Of that file, `configure`, `write` and `read` are RabbitMQ's permissions; `publishes`
limits the routing keys on the exchange `events`, so that nobody speaks as another.
"""

import base64
import json
import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

PERMISSIONS = Path(__file__).with_name("rabbitmq-permissions.json")
VHOST = "%2F"
PATIENCE = 120.0


class Management:
    """RabbitMQ's management API, as an administrator."""

    def __init__(self, url: str, user: str, password: str) -> None:
        if not url.startswith(("http://", "https://")):
            raise ValueError(f"MANAGEMENT_URL must be http:// or https://, not {url}")
        self._url = url.rstrip("/")
        login = base64.b64encode(f"{user}:{password}".encode()).decode()
        self._headers = {
            "Authorization": f"Basic {login}",
            "Content-Type": "application/json",
        }

    def put(self, path: str, body: Mapping[str, Any]) -> None:
        """Raises HTTPError for a refusal, URLError when nobody answers."""
        self._ask("PUT", path, json.dumps(body).encode())

    def wait(self, patience: float = PATIENCE) -> None:
        """Return once it answers; raises what it says when it stays silent."""
        deadline = time.monotonic() + patience
        while True:
            try:
                return self._ask("GET", "overview", None)
            except HTTPError as error:
                # Users are loaded late in the start: 401 may be too early.
                if error.code < 500 and error.code != 401:
                    raise
                if time.monotonic() > deadline:
                    raise
            except (URLError, OSError):
                if time.monotonic() > deadline:
                    raise
            time.sleep(1)

    def _ask(self, method: str, path: str, body: bytes | None) -> None:
        request = Request(  # noqa: S310 - the scheme is checked above
            f"{self._url}/api/{path}", body, self._headers, method=method
        )
        with urlopen(request, timeout=10):  # noqa: S310
            pass


def passwords(environment: Mapping[str, str]) -> dict[str, str]:
    """Each user's password; exits and says which variable is missing or empty."""
    found = {}
    for user in permissions():
        variable = f"{user.upper()}_AMQP_PASSWORD"
        if not environment.get(variable):
            sys.exit(f"{variable} must be set")
        found[user] = environment[variable]
    return found


def permissions() -> dict[str, dict[str, str]]:
    content: dict[str, dict[str, str]] = json.loads(PERMISSIONS.read_text())
    return content


def make_users(management: Management, secrets: Mapping[str, str]) -> None:
    """One user after the other: the account, its rights, what it may publish."""
    for user, rights in permissions().items():
        management.put(f"users/{user}", {"password": secrets[user], "tags": ""})
        granted = {kind: rights[kind] for kind in ("configure", "write", "read")}
        management.put(f"permissions/{VHOST}/{user}", granted)
        management.put(
            f"topic-permissions/{VHOST}/{user}",
            {"exchange": "events", "write": rights["publishes"], "read": ".*"},
        )


def main(environment: Mapping[str, str] = os.environ) -> None:
    secrets = passwords(environment)
    management = Management(
        environment["MANAGEMENT_URL"],
        environment["ADMIN_USER"],
        environment["ADMIN_PASSWORD"],
    )
    management.wait()
    make_users(management, secrets)


if __name__ == "__main__":
    main()
