"""Listings mapped by hand: which item a channel's SKU means."""

from __future__ import annotations

import uuid
from typing import Any

import msgspec

from core.errors import UserError
from core.model import Parts
from core.settings import ChannelSettings
from core.store import tables
from core.store.catalogue import parts_of
from core.store.database import Store, Tx
from core.store.moves import Entry, Stock, touch
from core.store.unbound import as_sites
from core.sync.promise import expired_of, reserve, write_reservations
from core.sync.stock import poke_concerned
from core.sync.stored import StoredLine, close_fulfilment, give_back, load_lines, write_claims
from core.sync.verify_breach import name_items, name_orders
from core.sync.work import poke


class Moved(msgspec.Struct, frozen=True):
    """An open line of an order whose SKU came to mean another item."""

    order_id: int
    order: str
    """What people call it, with its channel."""
    units: int
    """Open, neither shipped nor cancelled."""
    reserved: int
    """Promised of the new item."""
    was_reserved: int
    """Promised of the old one."""


class Mapped(msgspec.Struct, frozen=True):
    """What a mapping did."""

    was: str | None
    """The SKU of the item it meant before."""
    moved: tuple[Moved, ...] = ()
    """Open lines that are of the new item by now, the oldest order first."""
    left: tuple[Moved, ...] = ()
    """Open lines that keep the old item: a location was asked for them, or sent some already."""


def map_listing(
    store: Store, channel_id: int, sku: str, item_sku: str, now: int, *, keep: bool = False, actor: str = "operator"
) -> Mapped:
    """The channel's `sku` means the item `item_sku` from now on.

    A SKU the channel has not shown yet may be mapped ahead. Lines that wait for it resume, and its level is told anew.
    Open lines that were promised the item it meant before move to the new one, each with a pair of ledger rows, unless
    `keep`; those that a location was asked for already stay, as somebody may be packing them. Raises `UserError` for an
    unknown item.
    """

    def work(tx: Tx) -> Mapped:
        channel = tx.row("SELECT * FROM channels WHERE id = :id /*lock*/", id=channel_id)
        item = tx.row("SELECT id FROM items WHERE sku = :sku", sku=item_sku)
        if item is None:
            raise UserError(
                f"there is no item {item_sku}; receive it first (`ordersync stock receive`), or mend the SKU"
            )
        before = _listing(tx, channel_id, sku)
        tx.run(
            "INSERT INTO listings (channel_id, sku, item_id, mapped_by) VALUES (:channel, :sku, :item, 'operator')"
            " ON CONFLICT (channel_id, sku) DO UPDATE SET item_id = excluded.item_id, mapped_by = 'operator'",
            channel=channel_id,
            sku=sku,
            item=item.id,
        )
        touch(tx, [item.id])
        moved, left = ((), ()) if keep else move_open_lines(tx, channel, sku, item.id, item_sku, actor, now)
        return Mapped(None if before is None else before.item, moved, left)

    done = store.transact(work)
    poke_concerned(store, {item_sku} | ({done.was} if done.was and done.moved else set()), [channel_id])
    return done


def move_open_lines(
    tx: Tx, channel: Any, sku: str, item_id: int, item_sku: str, actor: str, now: int
) -> tuple[tuple[Moved, ...], tuple[Moved, ...]]:
    """Moves the open lines of a locked channel's `sku` to another item, the oldest order first; returns those that
    moved, and those that stay."""
    orders = tx.rows(
        "SELECT DISTINCT o.id, o.placed_at FROM lines l JOIN orders o ON o.id = l.order_id"
        " WHERE o.channel_id = :channel AND l.sku = :sku AND l.item_id <> :item AND o.fulfiller = 'merchant'"
        " AND NOT o.test AND l.reserved + l.backordered > 0",
        channel=channel.id,
        sku=sku,
        item=item_id,
    )
    ids = sorted(row.id for row in orders)
    tx.rows("SELECT id FROM orders WHERE id IN :ids ORDER BY id /*lock*/", ids=ids)
    lines = load_lines(tx, ids)
    concerned_ = [
        line
        for row in sorted(orders, key=lambda row: (row.placed_at, row.id))
        for line in lines[row.id]
        if line.row.sku == sku and line.row.item_id not in (None, item_id) and line.claim.parts and line.claim.open
    ]
    parts = parts_of(tx, [item_id])[item_id]
    touched = {item for line in concerned_ for item, _ in line.claim.parts or ()} | {item for item, _ in parts}
    stock = Stock(tx, touched, as_sites(channel.sites))
    names = name_orders(tx, ids)
    was = name_items(tx, [line.row.item_id for line in concerned_])
    stay = [line for line in concerned_ if line.row.shipped or any(one.state == "released" for one in line.bound)]
    move = [line for line in concerned_ if line not in stay]
    before = {line.row.id: line.claim.reserved for line in move}
    for line in move:
        old = line.claim.parts or ()
        give_back(line.claim, line.bound, stock, line.claim.reserved)
        _note(stock, line, old, -before[line.row.id], actor)
        line.claim.parts = parts
    expired = expired_of(tx, ids)
    reserve([line.claim for line in move if line.row.order_id not in expired], stock)
    for line in move:
        _note(stock, line, parts, line.claim.reserved, actor)
    claims = [line.claim for line in move]
    tx.update(tables.lines, ("id",), ("item_id",), sorted((line.row.id, item_id) for line in move))
    write_claims(tx, claims)
    write_reservations(tx, claims, known=True)
    close_fulfilment(tx, [one for line in move for one in line.bound])
    stock.write(now)
    tx.insert(
        tables.audit,
        ("at", "actor", "channel_id", "order_id", "event", "detail"),
        [
            (now, actor, channel.id, line.row.order_id, "remapped",
             f"{line.claim.open} of {sku} are {item_sku} now and were {was[line.row.item_id]};"
             f" {line.claim.reserved} of them promised")
            for line in move
        ],
    )  # fmt: skip
    return (
        tuple(_moved(line, names, before[line.row.id]) for line in move),
        tuple(_moved(line, names, line.claim.reserved) for line in stay),
    )


def _note(stock: Stock, line: StoredLine, parts: Parts, units: int, actor: str) -> None:
    """The ledger's rows of a promise that goes from one item to another: one for each part."""
    for item, per in parts if units else ():
        cause = f"remap:{uuid.uuid4().hex}:{line.row.id}:{item}"
        note = f"line {line.row.id}: {line.row.sku}"
        stock.note(
            Entry(
                item_id=item, location_id=None, cause=cause, kind="remap", reserved=per * units, actor=actor, note=note
            )
        )  # fmt: skip


def _moved(line: StoredLine, names: dict[int, str], was: int) -> Moved:
    return Moved(line.row.order_id, names[line.row.order_id], line.claim.open, line.claim.reserved, was)


def unmap_listing(store: Store, channel_id: int, settings: ChannelSettings, sku: str) -> str:
    """The channel's `sku` means nothing any more: its orders are held, and nothing of it is offered.

    Returns the SKU of the item it meant. Raises `UserError` when it is not mapped, and when it would be mapped again
    at once, as it is an item's own SKU and the channel matches by SKU.
    """

    def work(tx: Tx) -> str:
        tx.run("SELECT id FROM channels WHERE id = :id /*lock*/", id=channel_id)
        listing = _listing(tx, channel_id, sku)
        if listing is None or listing.item is None:
            raise UserError(f"{sku} is not mapped; see `ordersync listings list --unmapped`")
        if settings.match == "sku" and tx.row("SELECT id FROM items WHERE sku = :sku", sku=sku) is not None:
            raise UserError(
                f"{sku} is an item's own SKU and this channel matches by SKU; map it to another item, "
                'or write match = "mapped" into its file'
            )
        tx.run("UPDATE listings SET item_id = NULL, mapped_by = 'nobody' WHERE id = :id", id=listing.id)
        tx.run(
            "UPDATE levels SET desired = 0, revision = revision + 1, attempts = 0, reason = '', due_at = 0,"
            # One in flight is left to land first: a lower revision must never land after a higher one.
            " state = CASE WHEN state = 'accepted' THEN 'accepted' ELSE 'queued' END"
            " WHERE listing_id = :id AND desired <> 0",
            id=listing.id,
        )
        return str(listing.item)

    was = store.transact(work)
    poke(store, [channel_id])
    return was


def _listing(tx: Tx, channel_id: int, sku: str) -> Any:
    return tx.row(
        "SELECT l.id, i.sku AS item FROM listings l LEFT JOIN items i ON i.id = l.item_id"
        " WHERE l.channel_id = :channel AND l.sku = :sku",
        channel=channel_id,
        sku=sku,
    )


def read_again(store: Store, channel_ids: list[int]) -> None:
    """Makes the channels' next turns read their listings, however lately they did."""
    store.transact(lambda tx: tx.run("UPDATE channels SET listings_read = NULL WHERE id IN :ids", ids=channel_ids))
