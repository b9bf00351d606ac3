"""One call to a vendor's REST API, and what its answer means."""

from typing import Any, NamedTuple

import aiohttp

from shared.errors import Outage

TIMEOUT = 8.0
"""Seconds for one call, connecting included."""

LONGEST_REASON = 300


class Refused(Exception):  # noqa: N818 - what the vendor said
    """The vendor will not do this, however often it is asked the same."""


class Answer(NamedTuple):
    """A status below 500 that is not 429, and the JSON object that came with it."""

    status: int
    body: dict[str, Any]

    @property
    def is_success(self) -> bool:
        return self.status < 300

    def refusal(self, vendor: str) -> Refused:
        said = self.body.get("info") or self.body.get("error") or "no reason given"
        return Refused(f"{vendor}: {self.status} {said}"[:LONGEST_REASON])


class Vendor:
    """A JSON API that wants a bearer. Connections are the caller's."""

    def __init__(self, name: str, base: str, key: str) -> None:
        self.name = name
        self._base = base.rstrip("/")
        self._headers = {"Authorization": f"Bearer {key}"}

    async def ask(
        self,
        http: aiohttp.ClientSession,
        method: str,
        path: str,
        body: dict[str, Any] | None = None,
    ) -> Answer:
        """Raises Outage when the outcome is not known or the vendor asks for a pause.

        Redirects are not followed: the key would go with them.
        """
        try:
            async with http.request(
                method,
                self._base + path,
                json=body,
                headers=self._headers,
                allow_redirects=False,
                timeout=aiohttp.ClientTimeout(TIMEOUT),
            ) as response:
                status = response.status
                said = await _object(response)
        except (aiohttp.ClientError, OSError, TimeoutError) as error:
            raise Outage(f"{self.name} does not answer: {error!r}") from error
        if status >= 500 or status == 429:
            raise Outage(f"{self.name} answered {status}")
        return Answer(status, said)


async def _object(response: aiohttp.ClientResponse) -> dict[str, Any]:
    """Empty for what is no JSON object, such as the body of a 204."""
    try:
        body = await response.json(content_type=None)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
