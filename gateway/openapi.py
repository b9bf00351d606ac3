"""One OpenAPI document for all services, and a page to read it."""

import asyncio
import time
from collections.abc import Mapping
from typing import Any

import httpx2
import structlog
from starlette.types import ASGIApp

from gateway import routes

Document = dict[str, Any]

METHODS = ("get", "put", "post", "delete", "patch")
PREFIX = "#/components/"
FRESH = 300.0
RETRY = 5.0
PATIENCE = 2.0
DESCRIPTION = "Errors are RFC 9457 problem details; money is in minor units."

log = structlog.get_logger()


class Library:
    """The services' documents, read again every five minutes.

    A service that does not answer is left out, or stays as it was known, and is asked
    again after a few seconds.
    """

    def __init__(self, upstreams: Mapping[str, ASGIApp]) -> None:
        self._upstreams = upstreams
        self._documents: dict[str, Document] = {}
        self._due = dict.fromkeys(upstreams, 0.0)
        self._reading = asyncio.Lock()
        self._merged: Document | None = None

    async def merged(self) -> Document:
        """The document of all known services. It is shared: do not change it."""
        async with self._reading:
            now = time.monotonic()
            due = [name for name, at in self._due.items() if at <= now]
            if due or self._merged is None:
                await asyncio.gather(*(self._read(name) for name in due))
                self._merged = merge(self._documents)
        return self._merged

    async def _read(self, name: str) -> None:
        try:
            async with asyncio.timeout(PATIENCE):
                document = await read_json(self._upstreams[name], "/openapi.json")
        except Exception as error:  # whatever it is, the others are still worth reading
            log.warning("openapi.service_left_out", service=name, error=repr(error))
            self._due[name] = time.monotonic() + RETRY
        else:
            self._documents[name] = document
            self._due[name] = time.monotonic() + FRESH


async def read_json(app: ASGIApp, path: str) -> Document:
    """What a service answers to GET; raises for anything but a JSON object."""
    transport = httpx2.ASGITransport(app)
    async with httpx2.AsyncClient(
        transport=transport, base_url="http://gateway"
    ) as client:
        response = (await client.get(path)).raise_for_status()
    document = response.json()
    if not isinstance(document, dict):
        raise TypeError(f"{path} is not an object")
    return document


def merge(documents: Mapping[str, Document]) -> Document:
    """One document of the public routes; a component that differs gets its own name.

    A component of one name with one content is shared. Services come in the order of
    the routing table, each as a tag.
    """
    merged: Document = {
        "openapi": "3.1.0",
        "info": {"title": "Scrimline", "version": "1", "description": DESCRIPTION},
        "tags": [],
        "paths": {},
        "components": {},
    }
    for service in routes.TABLE:
        if service in documents:
            merged["tags"].append({"name": service})
            _add(merged, service, documents[service])
    return merged


def _add(merged: Document, service: str, document: Document) -> None:
    components = document.get("components", {})
    renamed = _renamed(merged["components"], components, service)
    for kind, entries in components.items():
        target = merged["components"].setdefault(kind, {})
        for name, entry in entries.items():
            target[renamed.get((kind, name), name)] = _rewritten(entry, renamed)
    public = {(row[1], _shape(row[2])) for row in routes.listed() if row[0] == service}
    for path, item in document.get("paths", {}).items():
        for method, operation in item.items():
            if method in METHODS and (method.upper(), _shape(path)) in public:
                entry = _rewritten(operation, renamed) | {"tags": [service]}
                merged["paths"].setdefault(path, {})[method] = entry


def _renamed(
    taken: Document, components: Document, service: str
) -> dict[tuple[str, str], str]:
    """New names for components whose name stands for something else already.

    What refers to a renamed component differs as well, until nothing more does.
    """
    renamed: dict[tuple[str, str], str] = {}
    while True:
        clashes = {
            (kind, name): f"{service.capitalize()}{name}"
            for kind, entries in components.items()
            for name, entry in entries.items()
            if name in taken.get(kind, {})
            and taken[kind][name] != _rewritten(entry, renamed)
        }
        if clashes == renamed:
            return renamed
        renamed = clashes


def _rewritten(part: Any, renamed: dict[tuple[str, str], str]) -> Any:
    """The same, with references to renamed components."""
    if isinstance(part, list):
        return [_rewritten(each, renamed) for each in part]
    if not isinstance(part, dict):
        return part
    result = {key: _rewritten(value, renamed) for key, value in part.items()}
    reference = result.get("$ref")
    if isinstance(reference, str) and reference.startswith(PREFIX):
        kind, _, name = reference.removeprefix(PREFIX).partition("/")
        result["$ref"] = f"{PREFIX}{kind}/{renamed.get((kind, name), name)}"
    return result


def _shape(path: str) -> str:
    """Parameters may be named otherwise by the service."""
    return "/".join("{}" if each.startswith("{") else each for each in path.split("/"))
