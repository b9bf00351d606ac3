"""What an orchestrator asks; the gateway does not route it."""

import asyncio
from typing import Any

from fastapi import APIRouter, Request, Response
from sqlalchemy import text

from shared import outbox

router = APIRouter(include_in_schema=False)

PATIENCE = 2.0


@router.get("/health/live")
async def live() -> dict[str, str]:
    """The process runs. What it needs is left out: a restart would not help that."""
    return {"status": "ok"}


@router.get("/health/ready")
async def ready(request: Request, response: Response) -> dict[str, str]:
    """200 if requests and messages can be served now, else 503 and what is missing."""
    parts = request.app.state.parts
    checks = {
        "database": await _answers(_ping(parts.sessions)),
        "broker": request.app.state.joined and await parts.broker.ping(PATIENCE),
    }
    if not all(checks.values()):
        response.status_code = 503
    return {name: "ok" if fine else "down" for name, fine in checks.items()}


@router.get("/metrics")
async def metrics(request: Request) -> Response:
    """Prometheus text; the outbox is measured when asked for."""
    parts = request.app.state.parts
    async with parts.sessions() as session:
        waiting, oldest = await outbox.waiting(session)
    parts.metrics.outbox_waiting(waiting, oldest)
    body, content_type = parts.metrics.render()
    return Response(body, media_type=content_type)


async def _ping(sessions: Any) -> None:
    async with sessions() as session:
        await session.connection()
        await session.exec(text("SELECT 1"))


async def _answers(question: Any) -> bool:
    try:
        async with asyncio.timeout(PATIENCE):
            await question
    except Exception:
        return False
    return True
