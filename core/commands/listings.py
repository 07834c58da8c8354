"""`ordersync listings …`: what each channel offers, and which item it is."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from json import loads
from typing import Annotated, Any

import typer
from msgspec import structs

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Channel, Channels, Config, Json
from core.commands.rounds import Done, Wait, channel_id
from core.commands.rounds import read as read_listings
from core.errors import UserError
from core.store.database import Store
from core.sync.channel import clock
from core.sync.listing_rules import KEPT, own_of, set_rule
from core.sync.listing_rules import told as rules_of
from core.sync.mapping import map_listing, unmap_listing

Sku = Annotated[str, typer.Argument(metavar="SKU", help="As the channel names it.")]

_LIST = """
SELECT c.name AS channel, l.sku, i.sku AS item, l.mapped_by, l.fulfiller, l.listed, l.title,
 l.buffer, l.cap, l.percent, l.stopped
FROM listings l JOIN channels c ON c.id = l.channel_id LEFT JOIN items i ON i.id = l.item_id
WHERE c.name IN :channels AND (:unmapped = 0 OR l.item_id IS NULL) ORDER BY c.name, l.sku
"""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What each channel offers, and which item it is.", no_args_is_help=True)
    group.command("list")(listed)
    group.command("report")(report)
    group.command("map")(mapped)
    group.command("unmap")(unmapped)
    group.command("rule")(rule)
    group.command("read")(read)
    app.add_typer(group, name="listings")


def listed(
    channels: Channels = None,
    unmapped: Annotated[bool, typer.Option("--unmapped", help="Only those nobody knows the item of.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Show the listings of all channels, or of some."""
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels)
        with store.read() as tx:
            rows = tx.rows(_LIST, channels=names, unmapped=int(unmapped))
    if json:
        made = [{**row._mapping, "listed": bool(row.listed), "stopped": bool(row.stopped)} for row in rows]
        show.document({"listings": made})
        return
    show.table(
        ("channel", "SKU", "item", "mapped by", "shipped by", "shown", "rules", "title"),
        [
            (row.channel, row.sku, row.item, row.mapped_by, row.fulfiller, _shown(row), rules_of(own_of(row)),
             row.title)
            for row in rows
        ],
    )  # fmt: skip
    show.line(show.many(len(rows), "unmapped listing" if unmapped else "listing"))


def _shown(row: Any) -> str:
    return "yes" if row.listed else "not yet"


class Remark(StrEnum):
    """What a report says of a listing."""

    UNMATCHED = "unmatched"
    """Nobody knows its item: nothing is told of it, and its orders are held."""
    DUPLICATE = "duplicate"
    """The channel has several listings of this SKU; the first is told."""
    BOTH = "both"
    """Sold by the channel's own fulfilment and by the merchant: two pools of stock."""
    DIFFERS = "differs"
    """The channel showed another quantity than the one to be told."""
    GONE = "gone"
    """The channel does not show it any more."""


_CURES = {
    Remark.UNMATCHED: "map it (`ordersync listings map`), or give its item this SKU",
    Remark.DUPLICATE: "give each listing there a SKU of its own",
    Remark.BOTH: "only the merchant's offer is told a level; keep the two apart by SKU",
    Remark.DIFFERS: "told with the next push, where one is due; see `ordersync reconcile`",
    Remark.GONE: "list it there again, or unmap it",
}

_REPORT = """
SELECT l.id, c.name AS channel, l.sku, l.title, l.fulfiller, l.listed, l.shown, l.twins, l.mixed, l.item_id,
 i.sku AS item,
 (SELECT count(DISTINCT o.fulfiller) FROM listings o
  WHERE o.channel_id = l.channel_id AND o.item_id = l.item_id AND o.listed) AS ways
FROM listings l JOIN channels c ON c.id = l.channel_id LEFT JOIN items i ON i.id = l.item_id
WHERE c.name IN :channels ORDER BY c.name, l.sku
"""


def report(channels: Channels = None, config: Config = given.FOLDER, json: Json = False) -> None:
    """Show what is wrong with listings: without an item, doubled, sold two ways, of another quantity, gone."""
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels)
        with store.read() as tx:
            rows = tx.rows(_REPORT, channels=names)
            wanted: defaultdict[int, dict[str, int]] = defaultdict(dict)
            for row in tx.rows(
                "SELECT v.listing_id, v.place, v.desired FROM levels v JOIN channels c ON c.id = v.channel_id"
                " WHERE c.name IN :channels",
                channels=names,
            ):
                wanted[row.listing_id][row.place] = row.desired
    found = [(row, remark) for row in rows for remark in _remarks(row, wanted[row.id])]
    if json:
        show.document(
            {
                "listings": len(rows),
                "remarks": [
                    {"channel": row.channel, "sku": row.sku, "item": row.item, "remark": remark, "cure": _CURES[remark],
                     "shown": loads(row.shown), "to_be_told": wanted[row.id], "fulfiller": row.fulfiller}
                    for row, remark in found
                ],
            }
        )  # fmt: skip
        return
    show.table(
        ("channel", "SKU", "item", "shows", "to be told", "remark", ""),
        [
            (row.channel, row.sku, row.item, _units(loads(row.shown)), _units(wanted[row.id]), remark, _CURES[remark])
            for row, remark in found
        ],
    )
    show.line(f"{show.many(len(rows), 'listing')}, {show.many(len(found), 'remark')}")


def _remarks(row: Any, wanted: Mapping[str, int]) -> Iterator[Remark]:
    shown = loads(row.shown)
    if row.item_id is None and row.fulfiller == "merchant":
        yield Remark.UNMATCHED
    if row.twins:
        yield Remark.DUPLICATE
    if row.mixed or row.ways > 1:
        yield Remark.BOTH
    if not row.listed:
        yield Remark.GONE
    elif row.fulfiller == "merchant" and any(place in shown and shown[place] != n for place, n in wanted.items()):
        yield Remark.DIFFERS


def _units(by_place: Mapping[str, int]) -> str | None:
    return ", ".join(f"{units} at {place}" if place else str(units) for place, units in by_place.items()) or None


def mapped(
    channel: Channel,
    sku: Sku,
    item: Annotated[str, typer.Argument(metavar="ITEM-SKU", help="The item it is, by its SKU here.")],
    keep: Annotated[bool, typer.Option("--keep", help="Open lines keep the item they were promised.")] = False,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Say which item a channel's SKU is. Held lines resume; open ones promised another item move to this one."""
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        channel_row = channel_id(store, settings, name)
        done = map_listing(store, channel_row, sku, item, clock(), keep=keep)
        with store.read() as tx:
            listed = tx.value(
                "SELECT listed FROM listings WHERE channel_id = :channel AND sku = :sku", channel=channel_row, sku=sku
            )
    if json:
        show.document({"channel": name, "sku": sku, "item": item, **structs.asdict(done)})
        return
    show.line(f"{sku} at {name} is {item}" + (f" (was {done.was})" if done.was not in (None, item) else ""))
    if not listed:
        show.line(f"{name} has not shown a listing {sku} so far: it counts for orders, and once it is shown")
    for moved in done.moved:
        show.line(f"moved: {moved.order}: {show.many(moved.units, 'unit')}, {moved.reserved} promised")
    for left in done.left:
        cure = f"a location was asked for it: `ordersync order {left.order_id}`"
        are = "is" if left.units == 1 else "are"
        show.line(f"left: {left.order}: {show.many(left.units, 'unit')} {are} still {done.was}; {cure}")


def unmapped(channel: Channel, sku: Sku, config: Config = given.FOLDER, json: Json = False) -> None:
    """Forget which item a channel's SKU is. Nothing of it is offered any more, and its new orders are held."""
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        was = unmap_listing(store, channel_id(store, settings, name), settings.channels[name], sku)
    if json:
        show.document({"channel": name, "sku": sku, "item": None, "was": was})
    else:
        show.line(f"{sku} at {name} is not mapped any more (was {was}); the channel is told 0 of it")


_CHANNELS = "channel"
"""What gives a rule back to the channel."""


def rule(
    channel: Channel,
    sku: Sku,
    buffer: Annotated[
        str, typer.Option("--buffer", metavar="UNITS", help="Never offer so many; 'channel': as the channel has it.")
    ] = "",
    cap: Annotated[str, typer.Option("--cap", metavar="UNITS", help="Offer no more than so many; or 'channel'.")] = "",
    percent: Annotated[
        str, typer.Option("--percent", metavar="1-100", help="Offer this share of what is left; or 'channel'.")
    ] = "",
    stop: Annotated[
        bool | None, typer.Option("--stop/--no-stop", help="Offer nothing of it, until --no-stop.", show_default=False)
    ] = None,
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Give one listing level rules of its own, in place of its channel's; without options, show them."""
    buffer_, cap_, percent_ = _value("buffer", buffer), _value("cap", cap), _value("percent", percent)
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        id = channel_id(store, settings, name)
        own = set_rule(store, id, sku, clock(), buffer=buffer_, cap=cap_, percent=percent_, stopped=stop)
    if json:
        show.document({"channel": name, "sku": sku, **structs.asdict(own)})
    else:
        show.line(f"{sku} at {name}: {rules_of(own) or 'the rules of its channel'}")


def _value(name: str, text: str) -> int | None:
    if not text:
        return KEPT.percent
    if text == _CHANNELS:
        return None
    if not (text.isascii() and text.isdigit()) or len(text) > 10:
        raise UserError(f"--{name} {text!r} is no number; write a whole number, or 'channel'")
    return int(text)


def read(channels: Channels = None, config: Config = given.FOLDER, json: Json = False, wait: Wait = 600) -> None:
    """Read everything the channels offer, now, and nothing else; a running service does it in its next turn."""
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels)
        for name in names:
            channel_id(store, settings, name)
        before = _offered(store, names)
        done = read_listings(store, settings, names, wait)
        after = _offered(store, names)
    told = [_read(one, before[one.channel], after[one.channel]) for one in done]
    if json:
        show.document({"channels": told})
    else:
        show.table(
            ("channel", "state", "listings", "new", "gone", "unmapped"),
            [tuple(one[word] for word in ("channel", "state", *_COUNTS)) for one in told],
        )
        for one in done:
            if one.reason:
                show.line(f"{one.channel}: {one.reason}")
    if any(one.state != "ok" for one in done):
        raise typer.Exit(NeedsAttention.code)


_COUNTS = ("listings", "new", "gone", "unmapped")


def _offered(store: Store, names: Sequence[str]) -> dict[str, dict[str, bool]]:
    """What the channels show, as far as it was read: by channel and SKU, whether it is mapped."""
    found: dict[str, dict[str, bool]] = {name: {} for name in names}
    with store.read() as tx:
        for channel, sku, item in tx.rows(
            "SELECT c.name, l.sku, l.item_id FROM listings l JOIN channels c ON c.id = l.channel_id"
            " WHERE l.listed AND c.name IN :names",
            names=list(names),
        ):
            found[channel][sku] = item is not None
    return found


def _read(done: Done, before: Mapping[str, bool], after: Mapping[str, bool]) -> dict[str, Any]:
    counts = (
        len(after),
        len(after.keys() - before),
        len(before.keys() - after),
        sum(not one for one in after.values()),
    )
    state = {"channel": done.channel, "state": done.state, "reason": done.reason}
    return state | dict(zip(_COUNTS, counts, strict=True))
