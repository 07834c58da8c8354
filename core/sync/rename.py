"""An item gets another SKU. It stays the item it was: its stock, its orders, its ledger and its listings."""

from __future__ import annotations

from core.errors import UserError
from core.store import tables
from core.store.database import Store, Tx
from core.store.moves import touch
from core.sync.stock import poke_concerned
from core.sync.stock_asked import is_name


def rename_item(store: Store, sku: str, new: str, now: int, *, actor: str = "operator") -> tuple[str, ...]:
    """The item `sku` is called `new` from now on; returns the channels that go on calling it `sku`.

    What channels call it does not change: a SKU of theirs that meant the item by its name is mapped to it. Lines keep
    their item, whatever their order still asks for. Raises `UserError` where there is no such item, or `new` is taken.
    """
    if not is_name(new):
        raise UserError(f"{new!r} is no SKU; write it without blanks around it and without control characters")

    def work(tx: Tx) -> tuple[str, ...]:
        item = tx.row("SELECT id FROM items WHERE sku = :sku /*lock*/", sku=sku)
        if item is None:
            raise UserError(f"there is no item {sku}; `ordersync stock show` lists them all")
        if tx.row("SELECT 1 FROM items WHERE sku = :new", new=new) is not None:
            raise UserError(f"{new} is another item already; map its listings instead (`ordersync listings map`)")
        # A channel whose SKU was never listed means the item by its name alone: its next order must mean it still.
        named = tx.rows(
            "SELECT DISTINCT o.channel_id FROM lines l JOIN orders o ON o.id = l.order_id"
            " WHERE l.item_id = :item AND l.sku = :sku AND NOT EXISTS (SELECT 1 FROM listings n"
            " WHERE n.channel_id = o.channel_id AND n.sku = :sku AND n.item_id IS NOT NULL) ORDER BY o.channel_id",
            item=item.id,
            sku=sku,
        )
        tx.insert(
            tables.listings,
            ("channel_id", "sku", "item_id", "mapped_by"),
            [(row.channel_id, sku, item.id, "operator") for row in named],
            "ON CONFLICT (channel_id, sku) DO UPDATE SET item_id = excluded.item_id, mapped_by = excluded.mapped_by",
        )
        tx.run("UPDATE items SET sku = :new WHERE id = :id", new=new, id=item.id)
        touch(tx, [item.id])
        columns = ("at", "actor", "channel_id", "order_id", "event", "detail")
        tx.insert(tables.audit, columns, [(now, actor, None, None, "item renamed", f"{sku} is {new}")])
        rows = tx.rows(
            "SELECT c.name FROM listings l JOIN channels c ON c.id = l.channel_id"
            " WHERE l.item_id = :id AND l.sku = :sku ORDER BY c.name",
            id=item.id,
            sku=sku,
        )
        return tuple(row.name for row in rows)

    channels = store.transact(work)
    poke_concerned(store, {new})
    return channels
