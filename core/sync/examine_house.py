"""A warehouse examined: whether it answers what a turn would ask it next. Nothing is taken in, and nothing changes."""

from __future__ import annotations

from collections.abc import Iterator

from core.errors import ChannelError, Unauthorized
from core.model import Finding
from core.store.database import Store
from core.warehouse import Deed, WarehouseConnector


def reached(store: Store, name: str) -> str | None:
    """How far the warehouse's events were taken in; None: not at all yet."""
    with store.read() as tx:
        cursor: str | None = tx.value("SELECT cursor FROM warehouses WHERE name = :name", name=name)
    return cursor


def examine_house(connector: WarehouseConnector, cursor: str | None) -> Iterator[Finding]:
    """Reads the next page of what the warehouse tells, as often as one likes: it is not said to be taken."""
    try:
        page = next(iter(connector.events(cursor)), None)
    except Unauthorized as error:
        yield Finding(what="credentials", well=False, told=str(error))
        return
    except ChannelError as error:
        yield Finding(what="connection", well=False, told=str(error))
        return
    waits = len(page.notices) if page is not None else 0
    told = f"it tells something new ({waits} on the first page)" if waits else "it has nothing new to tell"
    if page is None and Deed.CALLS in connector.abilities:
        told += "; one that only calls us was not asked"
    yield Finding(what="connection", well=True, told=told)
    absent = ", ".join(sorted(deed.value.replace("_", " ") for deed in connector.absent))
    yield Finding(what="abilities", well=True, told=f"all but: {absent}" if absent else "all there are")
