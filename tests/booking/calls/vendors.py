"""Daily and Whereby as their references describe them, on real sockets.

Contracts: docs.daily.co/reference/rest-api and Whereby's published OpenAPI document.
What a test breaks is in `faults`: (method, path prefix) -> what to do, once each.
"""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

from aiohttp import web

DAILY_KEY, WHEREBY_KEY = "daily-secret", "whereby-secret"

BODY: web.RequestKey[dict[str, Any]] = web.RequestKey("body", dict)


class Vendors:
    """One server for both; `asked` is every request that was let in."""

    def __init__(self) -> None:
        self.url = ""
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.faults: list[str] = []
        self.delay = 0.0
        self.rooms: dict[str, dict[str, Any]] = {}
        self.meetings: dict[str, dict[str, Any]] = {}

    def count(self, method: str, path: str) -> int:
        return sum((m, p) == (method, path) for m, p, _ in self.asked)

    def app(self) -> web.Application:
        app = web.Application(middlewares=[self._door])
        app.router.add_post("/daily/rooms", self._make_room)
        app.router.add_get("/daily/rooms/{name}", self._room)
        app.router.add_delete("/daily/rooms/{name}", self._delete_room)
        app.router.add_post("/daily/meeting-tokens", self._token)
        app.router.add_post("/whereby/meetings", self._make_meeting)
        app.router.add_delete("/whereby/meetings/{id}", self._delete_meeting)
        return app

    @web.middleware
    async def _door(self, request: web.Request, handler: Any) -> web.StreamResponse:
        key = DAILY_KEY if request.path.startswith("/daily") else WHEREBY_KEY
        if request.headers.get("Authorization") != f"Bearer {key}":
            return web.json_response({"error": "authentication-error"}, status=401)
        body = await request.json() if request.can_read_body else {}
        self.asked.append((request.method, request.path, body))
        request[BODY] = body
        fault = self.faults.pop(0) if self.faults else None
        if fault == "refuse":
            return web.json_response({"error": "invalid-request-error"}, status=403)
        if fault == "fail":
            return web.Response(status=503, text="<h1>Sorry</h1>")
        if fault == "throttle":
            return web.json_response({"error": "Rate limit active"}, status=429)
        await asyncio.sleep(self.delay)
        response: web.StreamResponse = await handler(request)
        if fault == "lose":
            assert request.transport is not None
            request.transport.close()
        return response

    async def _make_room(self, request: web.Request) -> web.Response:
        body = request[BODY]
        assert set(body) <= {"name", "privacy", "properties"}
        name = body["name"]
        assert len(name) <= 128
        if name in self.rooms:
            info = f"a room named {name} already exists"
            return _daily_error(400, "invalid-request-error", info)
        self.rooms[name] = {
            "id": "987b5eb5-d116-4a4e-8e2c-14fcb5710966",
            "name": name,
            "api_created": True,
            "privacy": body["privacy"],
            "url": f"https://scrimline.daily.co/{name}",
            "created_at": "2026-06-15T12:00:00.000Z",
            "config": body["properties"],
        }
        return web.json_response(self.rooms[name])

    async def _room(self, request: web.Request) -> web.Response:
        room = self.rooms.get(request.match_info["name"])
        return web.json_response(room) if room else _daily_error(404, "not-found", "")

    async def _delete_room(self, request: web.Request) -> web.Response:
        name = request.match_info["name"]
        if self.rooms.pop(name, None) is None:
            return _daily_error(404, "not-found", f"room {name} not found")
        return web.json_response({"deleted": True, "name": name})

    async def _token(self, request: web.Request) -> web.Response:
        properties = request[BODY]["properties"]
        known = {"room_name", "user_id", "user_name", "is_owner", "nbf", "exp"}
        assert set(properties) <= known
        assert len(properties["user_id"]) <= 36
        who = f"{properties['room_name']}.{properties['user_id']}"
        return web.json_response({"token": f"token-{who}"})

    async def _make_meeting(self, request: web.Request) -> web.Response:
        """Never idempotent: every request makes another meeting."""
        body = request[BODY]
        assert set(body) <= {"endDate", "roomMode", "fields"}
        datetime.fromisoformat(body["endDate"])
        number = str(len(self.meetings) + 1)
        room = f"https://scrimline.whereby.com/{number}"
        self.meetings[number] = {
            "meetingId": number,
            "roomName": f"/{number}",
            "roomUrl": room,
            "startDate": "2026-06-15T12:00:00.000Z",
            "endDate": body["endDate"],
            "roomMode": body["roomMode"],
            "open": True,
        }
        answer = {k: v for k, v in self.meetings[number].items() if k != "open"}
        if "hostRoomUrl" in body.get("fields", []):
            answer["hostRoomUrl"] = f"{room}?roomKey=host-only"
        return web.json_response(answer, status=201)

    async def _delete_meeting(self, request: web.Request) -> web.Response:
        meeting = self.meetings.get(request.match_info["id"])
        if meeting is None or not meeting["open"]:
            return web.Response(status=404)
        meeting["open"] = False
        return web.Response(status=204)


def _daily_error(status: int, error: str, info: str) -> web.Response:
    return web.json_response({"error": error, "info": info}, status=status)


@asynccontextmanager
async def serving(vendors: Vendors) -> AsyncIterator[Vendors]:
    runner = web.AppRunner(vendors.app(), access_log=None)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    host, port = runner.addresses[0][:2]
    vendors.url = f"http://{host}:{port}"
    try:
        yield vendors
    finally:
        await runner.cleanup()
