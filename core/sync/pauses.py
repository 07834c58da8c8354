"""Locations that are given nothing new for a while: nothing is routed there, and what is routed stays.

Their stock is still offered and promised, unlike that of a location that is switched off: orders that only it can send
wait until it is resumed.
"""

from __future__ import annotations

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.sync.work import poke


def pause(store: Store, name: str, why: str, actor: str, now: int) -> bool:
    """Nothing is routed to the location from now on; False where that was so for the same reason.

    Raises `UserError` for a location nobody knows.
    """
    return _set(store, name, why or "nobody said why", now, "location paused", actor)


def resume(store: Store, name: str, actor: str, now: int) -> bool:
    """Orders are routed there again, those that waited for it too; False where it was not paused."""
    return _set(store, name, "", now, "location resumed", actor)


def _set(store: Store, name: str, why: str, now: int, event: str, actor: str) -> bool:
    def work(tx: Tx) -> bool:
        row = tx.row("SELECT * FROM locations WHERE name = :name /*lock*/", name=name)
        if row is None:
            names = ", ".join(found.name for found in tx.rows("SELECT name FROM locations ORDER BY name"))
            raise UserError(f"there is no location {name!r}; there are: {names or 'none yet'}")
        if row.paused == why:
            return False
        tx.run(
            "UPDATE locations SET paused = :why, paused_at = :at WHERE id = :id",
            why=why,
            at=now if why else None,
            id=row.id,
        )
        if not why:
            tx.run("UPDATE parked SET due_at = :now WHERE reason = 'paused'", now=now)
        detail = f"{name}: {why}" if why else name
        tx.insert(tables.audit, ("at", "actor", "event", "detail"), [(now, actor, event, detail)])
        return True

    changed = store.transact(work)
    if changed:
        with store.read() as tx:
            channels = [row.id for row in tx.rows("SELECT id FROM channels ORDER BY id")]
        poke(store, channels)
    return changed
