"""What every HTTP route of every service shares: transactions, refusals, ids."""

from collections.abc import AsyncIterator
from typing import Annotated, Any

import structlog
from fastapi import Depends, FastAPI, Request
from fastapi.exceptions import RequestValidationError
from fastapi.responses import JSONResponse
from sqlmodel.ext.asyncio.session import AsyncSession
from starlette.exceptions import HTTPException
from starlette.responses import Response

from shared import idempotency
from shared.auth import MaybeSignedIn
from shared.clock import Clock
from shared.db import Sessions
from shared.errors import (
    TYPE_BASE,
    BadRequest,
    InvalidRequest,
    Problem,
    Unauthorized,
    Unavailable,
)
from shared.outages import is_outage

log = structlog.get_logger()

PROBLEM_JSON = "application/problem+json"
RETRY_AFTER_OUTAGE = 5
# A body of a megabyte can be wrong in a hundred thousand places.
MOST_ERRORS = 50


async def transaction(
    request: Request, caller: MaybeSignedIn
) -> AsyncIterator[AsyncSession]:
    """One request, one transaction: commit when the route returns, else roll back.

    A POST with an `Idempotency-Key` claims the key in it.
    """
    async with request.app.state.sessions.begin() as session:
        request.state.idempotent = await idempotency.claim(session, request, caller)
        yield session


async def public_transaction(request: Request) -> AsyncIterator[AsyncSession]:
    """As `transaction`, whoever calls: a bearer that ran out is not even looked at."""
    async with request.app.state.sessions.begin() as session:
        request.state.idempotent = await idempotency.claim(session, request, None)
        yield session


# scope="function" commits before the response is sent. FastAPI's default commits after
# it, so a failing commit would already have been answered with 201.
Transaction = Annotated[AsyncSession, Depends(transaction, scope="function")]
PublicTransaction = Annotated[
    AsyncSession, Depends(public_transaction, scope="function")
]
"""For routes that lead to being signed in, or out."""


async def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.sessions
    return sessions


async def _clock(request: Request) -> Clock:
    clock: Clock = request.app.state.clock
    return clock


# Dependencies are coroutines throughout: FastAPI runs plain functions in a thread.
InjectedSessions = Annotated[Sessions, Depends(_sessions)]
"""For routes that commit in steps, because they wait for a vendor in between."""

InjectedClock = Annotated[Clock, Depends(_clock)]


def problems(*kinds: type[Problem]) -> dict[int | str, dict[str, Any]]:
    """The `responses=` of a route that may refuse for these reasons."""
    by_status: dict[int | str, list[type[Problem]]] = {}
    for kind in kinds:
        by_status.setdefault(kind.status, []).append(kind)
    return {
        status: {
            "description": "; ".join(f"`{kind.slug}`: {kind.title}" for kind in same),
            "content": {PROBLEM_JSON: {"schema": PROBLEM_SCHEMA}},
        }
        for status, same in by_status.items()
    }


PROBLEM_SCHEMA = {
    "type": "object",
    "required": ["type", "title", "status", "detail", "instance", "slug"],
    "properties": {
        "type": {"type": "string", "format": "uri"},
        "title": {"type": "string"},
        "status": {"type": "integer"},
        "detail": {"type": "string"},
        "instance": {"type": "string"},
        "slug": {"type": "string"},
        "errors": {
            "type": "array",
            "items": {
                "type": "object",
                "properties": {
                    "field": {"type": "string"},
                    "message": {"type": "string"},
                },
            },
        },
    },
}


def answer(problem: Problem, path: str) -> Response:
    """The problem as RFC 9457 JSON, with the headers its status asks for."""
    headers = {}
    if problem.retry_after is not None:
        headers["Retry-After"] = str(problem.retry_after)
    if isinstance(problem, Unauthorized):
        headers["WWW-Authenticate"] = "Bearer"
    return JSONResponse(
        problem.body(path), problem.status, headers, media_type=PROBLEM_JSON
    )


def answer_with_problems(app: FastAPI) -> None:
    """Answer every refusal, ours and the framework's, as problem details."""

    @app.exception_handler(Problem)
    async def ours(request: Request, problem: Problem) -> Response:
        return answer(problem, request.url.path)

    @app.exception_handler(idempotency.Replay)
    async def replayed(_: Request, replay: idempotency.Replay) -> Response:
        return replay.response

    @app.exception_handler(RequestValidationError)
    async def invalid(request: Request, error: RequestValidationError) -> Response:
        return answer(_explained(error), request.url.path)

    @app.exception_handler(HTTPException)
    async def theirs(request: Request, error: HTTPException) -> Response:
        body = _framework_problem(error, request.url.path)
        return JSONResponse(
            body, error.status_code, error.headers, media_type=PROBLEM_JSON
        )

    @app.exception_handler(Exception)
    async def unexpected(request: Request, error: Exception) -> Response:
        if is_outage(error):
            problem: Problem = Unavailable(
                "Nothing was changed. Try again.", retry_after=RETRY_AFTER_OUTAGE
            )
        else:
            log.error("request.failed", path=request.url.path, exc_info=error)
            problem = Bug("The mistake is ours and has been logged.")
        return answer(problem, request.url.path)


class Bug(Problem):
    status = 500
    slug = "internal-error"
    title = "Something went wrong on our side"


def _explained(error: RequestValidationError) -> Problem:
    found = error.errors()
    if any(each["type"] == "json_invalid" for each in found):
        return BadRequest("The body is not JSON.")
    errors = [
        {"field": ".".join(map(str, each["loc"])), "message": each["msg"]}
        for each in found[:MOST_ERRORS]
    ]
    return InvalidRequest("Correct the fields and send it again.", errors=errors)


def _framework_problem(error: HTTPException, path: str) -> dict[str, Any]:
    slug = str(error.detail).lower().replace(" ", "-")[:60]
    if error.status_code == BadRequest.status:
        slug = BadRequest.slug
    return {
        "type": TYPE_BASE + slug,
        "title": str(error.detail),
        "status": error.status_code,
        "detail": str(error.detail),
        "instance": path,
        "slug": slug,
    }
