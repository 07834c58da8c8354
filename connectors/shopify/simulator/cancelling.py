"""Cancelling orders at the simulated shop: asked for at once, done by a job that a client polls.

The job looks again when it runs: what has shipped, was cancelled or is being returned meanwhile fails it, and so does
restocking a paid order at a location that was closed.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import GraphQLResolveInfo

from connectors.shopify.simulator.records import Order
from connectors.shopify.simulator.refunding import cancel
from connectors.shopify.simulator.shop import Shop
from connectors.shopify.simulator.world import World, user_error

LONGEST_NOTE = 255


@dataclass(slots=True, eq=False)
class Job:
    """A piece of work that is done some time after it was asked for."""

    id: str
    due: float
    done: bool = False
    kind: str = "Job"


@dataclass(slots=True, eq=False)
class CancelJob:
    """The job that cancels an order, and what came of it."""

    id: str
    job: Job
    order: Order
    asked: Mapping[str, Any]
    """Reason, note, and whether to restock, to give back, and to write to the buyer."""
    status: str = "STARTED"
    errors: list[dict[str, Any]] = field(default_factory=list)
    kind: str = "OrderCancelJobResult"

    @property
    def done(self) -> bool:
        return self.job.done

    def run(self, shop: Shop) -> None:
        restock = self.asked["restock"]
        what = _hindrance(self.order, restock=restock)
        if what:
            self.errors, self.status = [user_error(what, "orderId", code="INVALID")], "FAILED"
        else:
            cancel(shop, self.order, restock=restock, money=self.asked["money"])
            self.order.cancelReason = self.asked["reason"]
            self.status = "SUCCEEDED"
        self.job.done = True


class Jobs:
    """The jobs that wait for their time."""

    def __init__(self, shop: Shop, seconds: float) -> None:
        self.seconds = seconds
        self._shop = shop
        self._waiting: list[CancelJob] = []

    def add(self, order: Order, asked: Mapping[str, Any]) -> CancelJob:
        job = Job(self._shop.gid("Job"), time.monotonic() + self.seconds)
        made = CancelJob(self._shop.gid("OrderCancelJobResult"), job, order, asked)
        self._shop.nodes |= {made.id: made, job.id: job}
        self._waiting.append(made)
        return made

    def run(self, *, all_: bool = False) -> None:
        """Does what is due."""
        now = time.monotonic()
        ready = [one for one in self._waiting if all_ or one.job.due <= now]
        self._waiting = [one for one in self._waiting if one not in ready]
        for one in ready:
            one.run(self._shop)


def order_cancel(
    _: Any,
    info: GraphQLResolveInfo,
    orderId: str,  # noqa: N803
    reason: str,
    restock: bool,
    notifyCustomer: bool = False,  # noqa: N803
    refundMethod: Mapping[str, Any] | None = None,  # noqa: N803
    staffNote: str | None = None,  # noqa: N803
) -> dict[str, Any]:
    world: World = info.context
    order = world.shop.nodes.get(orderId)
    if not isinstance(order, Order):
        return _refused("Order does not exist", "orderId", "NOT_FOUND")
    if len(staffNote or "") > LONGEST_NOTE:
        return _refused(f"Staff note is too long (maximum is {LONGEST_NOTE} characters)", "staffNote", "INVALID")
    what = _hindrance(order, restock=False)
    if what:
        return _refused(what, "orderId", "INVALID")
    money = bool((refundMethod or {}).get("originalPaymentMethodsRefund"))
    asked = {"reason": reason, "restock": restock, "money": money, "notify": notifyCustomer, "note": staffNote}
    made = world.jobs.add(order, asked)
    return {"job": made.job, "jobResult": made, "orderCancelUserErrors": []}


def _refused(what: str, field_: str, code: str) -> dict[str, Any]:
    return {"job": None, "jobResult": None, "orderCancelUserErrors": [user_error(what, field_, code=code)]}


def _hindrance(order: Order, *, restock: bool) -> str:
    """Why the order cannot be cancelled."""
    if order.cancelledAt is not None:
        return "Order has already been cancelled"
    if any(line.shipped for line in order.lines):
        return "Cannot cancel an order that has fulfillments"
    if any(one.status in ("REQUESTED", "OPEN") for one in order.returns):
        return "Cannot cancel an order with a return in progress"
    closed = any(not part.location.isActive for part in order.parts)
    if restock and closed and order.paid:
        return "Inventory cannot be restocked at a deactivated location"
    return ""
