"""The public routes and who answers them. What is not listed here is not reachable."""

import re
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from shared.errors import BadRequest

ACCOUNTS = """
POST             /v1/auth/register
POST             /v1/auth/login
POST             /v1/auth/refresh
POST             /v1/auth/logout
POST             /v1/auth/password-reset
POST             /v1/auth/password-reset/confirm
POST             /v1/auth/verify-email
GET PATCH        /v1/me
GET              /.well-known/jwks.json
"""

COACHES = """
GET POST         /v1/games
PATCH            /v1/games/{slug}
GET POST         /v1/coaches
GET PATCH        /v1/coaches/{id}
PUT DELETE       /v1/coaches/{id}/games/{slug}
GET              /v1/admin/coaches
POST             /v1/admin/coaches/{id}/verify
POST             /v1/admin/coaches/{id}/reject
"""

BOOKING = """
GET PUT          /v1/coaches/{id}/schedule
GET PUT          /v1/coaches/{id}/booking-policy
GET              /v1/coaches/{id}/slots
GET              /v1/coaches/{id}/slots/explain
POST             /v1/coaches/{id}/waitlist
GET              /v1/me/waitlist
GET DELETE       /v1/me/waitlist/{id}
GET POST         /v1/sessions
GET              /v1/sessions/{id}
POST             /v1/series
POST             /v1/series/preview
GET              /v1/series/{id}
POST             /v1/series/{id}/cancel
GET              /v1/series/{id}/cancel/quote
POST             /v1/sessions/{id}/cancel
GET              /v1/sessions/{id}/cancel/quote
POST             /v1/sessions/{id}/run
POST             /v1/sessions/{id}/join
GET              /v1/sessions/{id}/cancel/timeline
POST             /v1/sessions/{id}/reschedule
GET POST         /v1/sessions/{id}/proposals
GET              /v1/sessions/{id}/proposals/{pid}
POST             /v1/sessions/{id}/proposals/{pid}/accept
POST             /v1/sessions/{id}/proposals/{pid}/decline
POST             /v1/sessions/{id}/start
POST             /v1/sessions/{id}/complete
POST             /v1/sessions/{id}/check-in
POST             /v1/sessions/{id}/no-show
POST             /v1/sessions/{id}/waive
POST             /v1/sessions/{id}/contest
POST             /v1/sessions/{id}/problem
POST             /v1/admin/sessions/{id}/problem
GET              /v1/admin/coaches/{id}/strikes
POST             /v1/admin/coaches/{id}/strikes/clear
GET              /v1/sessions/{id}/calendar.ics
POST DELETE      /v1/me/calendar-token
GET              /v1/calendars/{token}.ics
GET              /v1/coaches/{id}/busy-calendars
PUT DELETE       /v1/coaches/{id}/busy-calendars/{name}
"""

PAYMENTS = """
GET POST         /v1/payments
GET              /v1/payments/{id}
POST             /payments/webhook/
"""

TABLE = {
    "accounts": ACCOUNTS,
    "coaches": COACHES,
    "booking": BOOKING,
    "payments": PAYMENTS,
}

# RFC 3986, 3.3: what stands in a path as it is, and no segment that is empty or dots.
PLAIN = re.compile(rb"(?:/(?!\.{1,2}(?:/|$))[A-Za-z0-9._~!$&'()*+,;=:@-]+)*/?")
SEGMENT_SAFE = "!$&'()*+,;=:@"
FORBIDDEN = re.compile(r"[\x00-\x1f\x7f/\\]")
QUERY = re.compile(rb"[^\x00-\x20\x7f-\xff]*")


@dataclass(slots=True)
class Node:
    """One step of a path: what may follow, and who answers when it ends here."""

    literal: dict[str, "Node"] = field(default_factory=dict)
    parameter: "Node | None" = None
    services: dict[str, str] = field(default_factory=dict)


def listed() -> list[tuple[str, str, str]]:
    """Every route of the table as (service, method, path)."""
    rows = []
    for service, table in TABLE.items():
        for line in table.split("\n"):
            *methods, path = line.split() or [""]
            rows += [(service, method, path) for method in methods]
    return rows


def build(rows: list[tuple[str, str, str]]) -> Node:
    """The tree that `find` walks."""
    root = Node()
    for service, method, path in rows:
        node = root
        for segment in path.split("/")[1:]:
            if segment.startswith("{"):
                node.parameter = node = node.parameter or Node()
            else:
                node = node.literal.setdefault(segment, Node())
        if node.services.setdefault(method, service) != service:
            raise ValueError(f"{method} {path} has two owners")
    return root


def find(root: Node, path: str) -> dict[str, str]:
    """Which service answers each method of the path; empty for an unknown path.

    A literal segment goes before a parameter; a parameter is never empty.
    """
    return _find(root, path.split("/")[1:], 0)


def _find(node: Node, segments: list[str], depth: int) -> dict[str, str]:
    if depth == len(segments):
        return node.services
    segment = segments[depth]
    literal = node.literal.get(segment)
    if literal and (found := _find(literal, segments, depth + 1)):
        return found
    if node.parameter and segment:
        return _find(node.parameter, segments, depth + 1)
    return {}


def canonical(raw_path: bytes, query: bytes) -> tuple[bytes, str]:
    """The path as it is sent on, and decoded as it is routed.

    One meaning for us and for every service: raises BadRequest for dot segments, empty
    segments, encoded slashes, backslashes, control characters and what is not UTF-8.
    """
    if not QUERY.fullmatch(query):
        raise BadRequest("The query must be percent-encoded.")
    if PLAIN.fullmatch(raw_path):
        return raw_path, raw_path.decode("ascii")
    if not raw_path.startswith(b"/"):
        raise BadRequest("The path must start with a slash.")
    segments = [_decoded(segment) for segment in raw_path[1:].split(b"/")]
    if "" in segments[:-1] or "." in segments or ".." in segments:
        raise BadRequest("The path must have neither empty nor dot segments.")
    encoded = "".join("/" + quote(segment, SEGMENT_SAFE) for segment in segments)
    return encoded.encode("ascii"), "/" + "/".join(segments)


def _decoded(segment: bytes) -> str:
    try:
        text = unquote_to_bytes(segment).decode("utf-8")
    except UnicodeDecodeError as error:
        raise BadRequest("The path must be UTF-8.") from error
    if FORBIDDEN.search(text):
        raise BadRequest("The path holds a character that has no place in it.")
    return text
