"""What channels are to be told and were not, or would not take."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from shlex import quote
from typing import Any

from core.connector import Ability
from core.plurals import many
from core.store.database import Tx
from core.sync.issues.issue import NO_INSTANT, Query, Told, View, each, names
from core.sync.pushes import AGAIN, describe

_PUSH = """
SELECT p.id AS key, c.name AS channel, COALESCE(NULLIF(o.name, ''), o.number) AS subject, p.updated_at AS since,
 CASE p.kind WHEN 'acknowledge' THEN o.acknowledge_by WHEN 'tracking' THEN o.ship_by END AS deadline,
 p.id AS id, p.kind, p.argument, p.state, p.reason, p.attempts, o.id AS order_id,
 o.number AS number, COALESCE(s.carrier, '') AS carrier, COALESCE(s.tracking, '') AS tracking
FROM pushes p JOIN orders o ON o.id = p.order_id JOIN channels c ON c.id = p.channel_id
LEFT JOIN shipments s ON s.id = p.shipment_id
"""

_TOLD = (
    ("tracking", Ability.PUSH_TRACKING, "push_tracking"),
    ("void", Ability.VOID_TRACKING, "push_tracking"),
    ("acknowledge", Ability.ACKNOWLEDGE, "acknowledge"),
    ("cancel", Ability.CANCEL, "push_cancellations"),
    ("refund", Ability.REFUND, "push_refunds"),
)


def _stuck(view: View) -> str:
    """Only what a channel is told at all: what waits for a switch waits on purpose."""
    able = " OR ".join(
        f"(p.kind = '{kind}' AND c.name IN {names(view.able(ability, switch))})" for kind, ability, switch in _TOLD
    )
    return (
        f"{_PUSH} WHERE p.state IN ('queued','sent','unknown','accepted') AND p.created_at < :stuck AND ({able})"
        " AND c.health = 'ok'"
    )


_LEVEL = f"""
SELECT i.sku || '@' || v.place AS key, c.name AS channel,
 i.sku || CASE WHEN v.place = '' THEN '' ELSE ' at ' || v.place END AS subject,
 NULLIF(v.due_at, 0) AS since, {NO_INSTANT} AS deadline, i.sku AS sku, v.desired, v.told, v.state, v.reason
FROM levels v JOIN listings i ON i.id = v.listing_id JOIN channels c ON c.id = v.channel_id
"""


def _tell_refused(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    for row in rows:
        what = describe(row)
        yield Told(
            f"{row.kind}{f' ({what})' if what else ''} refused: {row.reason}",
            (f"ordersync push retry {row.id}", f"ordersync push drop {row.id} --reason WHY",
             f"ordersync order {row.order_id}"),
        )  # fmt: skip


def _tell_stuck(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    for row in rows:
        what = describe(row)
        why = f": {row.reason}" if row.reason else ""
        yield Told(
            f"{row.kind}{f' ({what})' if what else ''} is {row.state} after {many(row.attempts, 'attempt')}{why}",
            (f"ordersync push list {row.channel}", f"ordersync order {row.order_id}"),
        )


def _tell_unshown(tx: Tx, rows: Sequence[Any]) -> Iterator[Told]:
    for row in rows:
        what = describe(row)
        again = f"ordersync push retry {row.id}" if row.kind in AGAIN else f"ordersync order {row.order_id}"
        back = (f"ordersync push drop {row.id} --reason WHY",) if row.kind == "cancel" else ()
        yield Told(
            f"the channel took it and does not show it: {row.kind}{f' ({what})' if what else ''}; look there",
            (f"ordersync resync {row.channel} {quote(row.number)}", again, *back),
        )


def _tell_level(row: Any) -> Told:
    return Told(
        f"the channel refuses {row.desired} of it (it was told {'nothing' if row.told is None else row.told}):"
        f" {row.reason}",
        (f"ordersync listings report {row.channel}", f"ordersync resync {row.channel} --levels"),
    )


KINDS = (
    Query(
        name="push_refused",
        means="a channel refused a tracking number, an acknowledgement, a cancellation, a refund or a void",
        sql=f"{_PUSH} WHERE p.state = 'refused'",
        tell=_tell_refused,
    ),
    Query(
        name="push_stuck",
        means="a push has been on its way for long, although its channel works",
        sql=_stuck,
        tell=_tell_stuck,
    ),
    Query(
        name="push_unshown",
        means="a channel took a push long ago, and does not show what it was told",
        # A parcel that never left is not missed (`void_shown` tells where it is shown), and one that was corrected is
        # by what corrects it. While the channel is not reached nobody can say what it shows.
        sql=f"{_PUSH} WHERE p.state = 'applied' AND p.updated_at < :stuck AND p.updated_at >= :kept AND c.health = 'ok'"
        " AND p.kind <> 'void' AND s.voided_at IS NULL AND NOT EXISTS (SELECT 1 FROM pushes n"
        "  WHERE n.order_id = p.order_id AND n.shipment_id = p.shipment_id AND n.kind = p.kind AND n.id > p.id)",
        tell=_tell_unshown,
    ),
    Query(
        name="level_refused",
        means="a channel refused a quantity",
        # Of a listing that is gone, or that the channel fulfils by now, it is told nothing.
        sql=f"{_LEVEL} WHERE v.state <> 'applied' AND v.state = 'refused' AND i.listed AND i.fulfiller = 'merchant'",
        tell=each(_tell_level),
    ),
)
