"""For people and scripts: what was asked, what shall go wrong, what is under way."""

from typing import Annotated

from fastapi import APIRouter, Request
from pydantic import AfterValidator, Field, ValidationInfo, field_validator

from local.stripe.api import IMPLEMENTED
from local.stripe.calls import Call
from local.stripe.double import Double
from local.stripe.faults import EVERY_OPERATION, OF_CALLS, OF_WEBHOOKS, WEBHOOK, Fault
from shared.inputs import Input, Int
from shared.pages import Page, PageQuery

router = APIRouter(prefix="/_double")


def _known(operation: str) -> str:
    if operation not in (*IMPLEMENTED, WEBHOOK, EVERY_OPERATION):
        known = ", ".join(IMPLEMENTED)
        raise ValueError(f"it is one of {known}, {WEBHOOK} and {EVERY_OPERATION}")
    return operation


class FaultOrder(Input):
    """The next `times` calls of the operation fail in this way.

    `operation` is the SDK's name, `*` for every call, or `webhook`.
    """

    operation: Annotated[str, AfterValidator(_known)]
    kind: Fault
    times: Annotated[Int, Field(ge=1, le=1000)] = 1

    @field_validator("kind")
    @classmethod
    def _fits(cls, kind: Fault, info: ValidationInfo) -> Fault:
        if "operation" in info.data:
            of_webhook = info.data["operation"] == WEBHOOK
            fitting = OF_WEBHOOKS if of_webhook else OF_CALLS
            if kind not in fitting:
                raise ValueError(f"here it is one of {', '.join(sorted(fitting))}")
        return kind


@router.post("/faults", status_code=201)
async def order_fault(order: FaultOrder, request: Request) -> FaultOrder:
    """Faults of one operation happen in the order in which they were ordered."""
    double: Double = request.app.state.double
    double.faults.order(order.operation, order.kind, order.times)
    return order


@router.delete("/faults", status_code=204)
async def forget_faults(request: Request) -> None:
    """Nothing that was ordered goes wrong any more. May be called twice."""
    double: Double = request.app.state.double
    double.faults.forget()


@router.get("/requests")
async def list_requests(page: PageQuery, request: Request) -> Page[Call]:
    """The last thousand requests to the API, newest first."""
    double: Double = request.app.state.double
    after = page.after(int)
    calls = double.calls.before(after[0] if after else None, page.limit + 1)
    return page.page(calls, key=lambda call: (call.seq,), view=lambda call: call)


@router.get("/idle")
async def count_pending(request: Request) -> dict[str, int]:
    """`{"pending": n}`: webhooks to deliver and refunds that will still change."""
    double: Double = request.app.state.double
    return {"pending": double.pending()}
