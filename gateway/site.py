"""What the gateway answers itself: its documents and its health."""

import asyncio

from fastapi import APIRouter, Request
from fastapi.responses import HTMLResponse, JSONResponse, Response
from sqlalchemy import text

from gateway import openapi, reference
from shared.db import Sessions, engine_of

router = APIRouter(include_in_schema=False)
operations = APIRouter(include_in_schema=False)

POLICY = "default-src 'none'; style-src 'self'; base-uri 'none'; frame-ancestors 'none'"
PATIENCE = 2.0


@router.get("/openapi.json")
async def document(request: Request) -> JSONResponse:
    library: openapi.Library = request.app.state.library
    return JSONResponse(await library.merged())


@router.get("/docs")
async def docs(request: Request) -> HTMLResponse:
    library: openapi.Library = request.app.state.library
    page = reference.render(await library.merged())
    return HTMLResponse(page, headers={"Content-Security-Policy": POLICY})


@router.get("/docs/reference.css")
async def style() -> Response:
    return Response(reference.STYLE, media_type="text/css")


@router.get("/health/live")
@operations.get("/health/live")
async def live() -> dict[str, str]:
    """The process runs; what it needs may be down, a restart would not help that."""
    return {"status": "ok"}


@router.get("/health/ready")
@operations.get("/health/ready")
async def ready(request: Request) -> dict[str, str]:
    """Always ready: without its database the gateway limits each replica by itself."""
    fine = await _answers(request.app.state.sessions)
    return {"database": "ok" if fine else "down"}


@operations.get("/metrics")
async def metrics(request: Request) -> Response:
    body, content_type = request.app.state.metrics.render()
    return Response(body, media_type=content_type)


async def _answers(sessions: Sessions) -> bool:
    engine = engine_of(sessions)
    try:
        async with asyncio.timeout(PATIENCE), engine.connect() as connection:
            await connection.execute(text("SELECT 1"))
    except Exception:  # whatever it is, it does not answer
        return False
    return True
