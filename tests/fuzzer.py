"""Makes requests that no honest client sends, after a service's own document."""

import base64
import json
import random
import re
import string
from typing import Any
from urllib.parse import quote

import httpx2

from shared.ids import new_id
from tests.given import bearer

ME = new_id()
COACH, SESSION = new_id(), new_id()
KNOWN: dict[str, list[Any]] = {
    "id": [str(ME), str(COACH), str(new_id())],
    "coach_id": [str(COACH), str(ME)],
    "duration_minutes": [60],
    "amount": [6000, 9000],
    "game": ["chess"],
    "session_id": [str(SESSION)],
    "email": [f"kim{n}@example.com" for n in ("", 1, 2, 3, 4, 5)],
    "password": ["correct horse"],
    "slug": ["chess"],
    "rank": ["Master"],
    "ranks": ["Master"],
}
"""What is there from the start, or fits, by the name it goes under."""

ROLES = [
    (),
    ("student",),
    ("coach",),
    ("student", "coach"),
    ("admin",),
    *[("student", "coach", "admin")] * 5,
]

TEXTS = [
    "",
    " ",
    "\x00",
    "a\x00b",
    "\n",
    "a\r\nBcc: b",
    "\ud800",
    "\udfff\ud800",
    "\u202egnirts",
    "\u200b",
    "\ufeff",
    "I\u0307ß\u0149\ufb03",
    "e\u0301" * 60,
    "\U0010ffff",
    "🏳️‍🌈" * 20,
    "%00",
    "' OR 1=1 --",
    "{{7*7}}",
    "../../etc/passwd",
    "null",
    "-1",
    "1e400",
    "x" * 201,
    "x" * 6000,
    "ß" * 254,
    "٣",
    "en-",
    "-",
    "zh_Hans_CN_x@y.z",
    "Europe/Berlin\x00",
    "localtime",
    "kim@example.com",
    "Kim <kim@example.com>",
    "https://example.com/" + "ü" * 700,
    "https://[::1",
    "HTTPS://Ex%41mple.com:99999",
    "javascript:alert(1)",
    "0001-01-01T00:00:00+23:59",
    "9999-12-31T23:59:59-23:59",
    "2026-06-30T23:59:60Z",
    "2026-06-17T12:00:00",
    "2026-06-17T12:00:00.123456789+00:00",
    "2026-02-30",
    "24:00",
    "23:59:59.999999",
]
OTHERS: list[Any] = [
    None,
    True,
    False,
    0,
    -1,
    1,
    2**31 - 1,
    2**31,
    2**63,
    -(2**63) - 1,
    10**400,
    0.5,
    -0.0,
    1e308,
    [],
    {},
    [[]],
    [None],
    {"": None},
    {"\ud800": 1},
    ["x"] * 300,
]
RAW = [
    b"",
    b"{",
    b"null",
    b"[]",
    b'"x"',
    b"NaN",
    b'{"a": Infinity}',
    b"[" * 50_000,
    b'{"a":' * 30_000,
    b"9" * 5_000,
    b"\xff\xfe\x00",
    b"\xed\xa0\x80",
    b'{"a": 1, "a": 2}',
    b"{" + b",".join(b'"k%d":1' % n for n in range(2_000)) + b"}",
]
CURSORS: list[Any] = [
    [],
    {},
    5,
    "x",
    None,
    ["NaN", str(ME)],
    ["1e999", str(ME)],
    ["0001-01-01T00:00:00+23:59", str(ME)],
    ["9999-12-31T23:59:59-23:59", str(ME)],
    ["2026-06-17T12:00:00", str(ME)],
    [str(2**63), str(ME)],
    ["USD", "5", str(ME)],
    ["USD", str(-(2**31)), str(ME)],
    ["\x00"],
    ["\ud800"],
    ["a", "b", "c", "d"],
    [[], {}],
    [True, None],
    [str(ME)],
]


class Fuzzer:
    """Makes requests after a service's document; remembers what answers named."""

    def __init__(self, document: dict[str, Any], chance: random.Random) -> None:
        self.schemas = document["components"]["schemas"]
        self.chance = chance
        self.seen: dict[str, list[Any]] = {}

    def body(self, schema: dict[str, Any]) -> bytes:
        """Half of them are as they should be; the rest are spoilt once or twice."""
        if self.chance.random() < 0.08:
            return self.chance.choice(RAW)
        value = self.value(schema, "")
        for _ in range(self.chance.choice([0, 0, 0, 0, 1, 1, 2])):
            value = self.spoilt(value)
        return json.dumps(value).encode()

    def value(self, schema: dict[str, Any], name: str) -> Any:
        """Something that fits the schema, as far as the schema tells."""
        if "$ref" in schema:
            schema = self.schemas[schema["$ref"].rpartition("/")[2]]
        if options := schema.get("anyOf") or schema.get("oneOf"):
            return self.value(self.chance.choice(options), name)
        if "const" in schema or "enum" in schema:
            return self.chance.choice(schema.get("enum") or [schema["const"]])
        if "prefixItems" in schema:
            return [self.value(each, name) for each in schema["prefixItems"]]
        match schema.get("type"):
            case "object":
                return self.object(schema)
            case "array":
                least = schema.get("minItems", 0)
                count = self.chance.randint(least, least + 2)
                return [self.value(schema["items"], name) for _ in range(count)]
            case "integer" | "number":
                return self.number(schema, name)
            case "boolean":
                return self.chance.random() < 0.5
            case "null":
                return None
        return self.text(schema, name)

    def number(self, schema: dict[str, Any], name: str) -> int:
        if name in KNOWN and self.chance.random() < 0.7:
            return int(self.chance.choice(KNOWN[name]))
        low, high = int(schema.get("minimum", 0)), int(schema.get("maximum", 2**31))
        return self.chance.choice([low, low + 1, 60, 6000, high])

    def known(self, name: str) -> list[Any]:
        """What there is of this name, from the start or by an answer."""
        if name in KNOWN and self.chance.random() < 0.5:
            return KNOWN[name]
        return KNOWN.get(name, []) + self.seen.get(name, [])

    def object(self, schema: dict[str, Any]) -> dict[str, Any]:
        required = schema.get("required", [])
        return {
            name: self.value(each, name)
            for name, each in schema.get("properties", {}).items()
            if name in required or self.chance.random() < 0.35
        }

    def text(self, schema: dict[str, Any], name: str) -> str:
        """A text of the right form: what was seen under this name, or an example."""
        known = self.known(name)
        if schema.get("format") == "uuid":
            return str(self.chance.choice(known or self.known("id")))
        made = {
            "date-time": f"2026-06-{self.chance.randint(14, 28)}T{self.chance.randint(0, 23):02}:00:00Z",
            "date": f"2026-06-{self.chance.randint(10, 30)}",
            "time": "14:00",
            "uri": "https://example.com/x",
        }.get(str(schema.get("format")))
        plain = "".join(self.chance.choices(string.ascii_lowercase, k=12))
        choices = [made, *schema.get("examples", []), *known]
        fitting = [each for each in choices if isinstance(each, str)]
        return self.chance.choice(fitting or [plain])

    def spoilt(self, value: Any) -> Any:
        """The same with one thing replaced, left out or added, at any depth."""
        if isinstance(value, dict) and value and self.chance.random() < 0.85:
            name = self.chance.choice(list(value))
            rest = {key: each for key, each in value.items() if key != name}
            match self.chance.randrange(6):
                case 0:
                    return rest
                case 1:
                    return {**value, self.chance.choice(TEXTS): 1}
            return {**value, name: self.spoilt(value[name])}
        if isinstance(value, list) and value and self.chance.random() < 0.7:
            return [self.spoilt(value[0]), *value[1:]]
        return self.chance.choice([*TEXTS, *OTHERS])

    def query(self, parameters: list[dict[str, Any]]) -> str:
        """Some of the parameters; also one that nobody asked for."""
        pairs = []
        for each in parameters:
            if not each.get("required") and self.chance.random() < 0.75:
                continue
            pairs.append((each["name"], self.parameter(each)))
        if self.chance.random() < 0.05:
            pairs.append((self.chance.choice(TEXTS), "1"))
        return "&".join(f"{_quoted(key)}={_quoted(value)}" for key, value in pairs)

    def parameter(self, parameter: dict[str, Any]) -> str:
        if parameter["name"] == "cursor" and self.chance.random() < 0.7:
            return self.cursor()
        if self.chance.random() < 0.2:
            return str(self.chance.choice([*TEXTS, *OTHERS]))
        return str(self.value(parameter["schema"], parameter["name"]))

    def cursor(self) -> str:
        known = self.known("next_cursor")
        if known and self.chance.random() < 0.5:
            return str(self.chance.choice(known))
        text = json.dumps(self.chance.choice(CURSORS)).encode()
        return base64.urlsafe_b64encode(text).decode()

    def path(self, path: str) -> str:
        """The parameters filled in, mostly with what exists."""

        def fill(match: re.Match[str]) -> str:
            name = match[1]
            if self.chance.random() < 0.1:
                return _quoted(self.chance.choice([t for t in TEXTS if t]))
            return _quoted(self.chance.choice(self.known(name) + self.known("id")))

        return re.sub(r"\{([^}]+)\}", fill, path)

    def headers(self, parameters: list[dict[str, Any]]) -> dict[str, bytes]:
        found = {
            each["name"]: self.chance.choice(
                [b"", b"x" * 300, b"*", b'W/"\xff"', b'"1"', b"t=1,v1=00", b"t=x"]
            )
            for each in parameters
            if self.chance.random() < 0.2
        }
        if self.chance.random() < 0.1:
            found["Idempotency-Key"] = self.chance.choice(
                [b"", b"k", b"\xff", b"k" * 256]
            )
        match self.chance.randrange(8):
            case 0:
                pass
            case 1:
                tokens = [b"x", b"a.b.c", b"\xff", b"e30.e30.e30", b"bnVsbA.e30.e30"]
                found["Authorization"] = b"Bearer " + self.chance.choice(tokens)
            case _:
                known = bearer(ME, *self.chance.choice(ROLES))
                found["Authorization"] = known["Authorization"].encode()
        return found

    def learn(self, answer: Any, parent: str = "id") -> None:
        """Remember the texts of an answer by the name they bore."""
        if isinstance(answer, dict):
            for name, value in answer.items():
                self.learn(value, name)
        elif isinstance(answer, list):
            for each in answer:
                self.learn(each, parent)
        elif isinstance(answer, str):
            known = self.seen.setdefault(parent, [])
            known.append(answer)
            del known[:-20]


def _quoted(text: str) -> str:
    return quote(text.encode("utf-8", "surrogatepass"), safe="")


def a_request(
    fuzzer: Fuzzer,
    http: httpx2.AsyncClient,
    method: str,
    path: str,
    operation: dict[str, Any],
) -> httpx2.Request:
    parameters = operation.get("parameters", [])
    queries = [each for each in parameters if each["in"] == "query"]
    headers = fuzzer.headers([each for each in parameters if each["in"] == "header"])
    body = None
    if "requestBody" in operation:
        [(media_type, content)] = operation["requestBody"]["content"].items()
        body = fuzzer.body(content["schema"])
        headers["Content-Type"] = media_type.encode()
    url = f"{fuzzer.path(path)}?{fuzzer.query(queries)}"
    raw = httpx2.Headers([(name.encode(), value) for name, value in headers.items()])
    return http.build_request(method.upper(), url, headers=raw, content=body)
