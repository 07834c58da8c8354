"""`ordersync listings …`: what each channel offers, and which item it is."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from core.commands import given, show
from core.commands.edge import NeedsAttention
from core.commands.given import Channel, Channels, Config, Json
from core.commands.rounds import Wait, channel_id, work
from core.sync.mapping import map_listing, read_again, unmap_listing

Sku = Annotated[str, typer.Argument(metavar="SKU", help="As the channel names it.")]

_LIST = """
SELECT c.name AS channel, l.sku, i.sku AS item, l.mapped_by, l.fulfiller, l.listed, l.title
FROM listings l JOIN channels c ON c.id = l.channel_id LEFT JOIN items i ON i.id = l.item_id
WHERE c.name IN :channels AND (:unmapped = 0 OR l.item_id IS NULL) ORDER BY c.name, l.sku
"""


def register(app: typer.Typer) -> None:
    group = typer.Typer(help="What each channel offers, and which item it is.", no_args_is_help=True)
    group.command("list")(listed)
    group.command("map")(mapped)
    group.command("unmap")(unmapped)
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
        show.document({"listings": [{**row._mapping, "listed": bool(row.listed)} for row in rows]})
        return
    show.table(
        ("channel", "SKU", "item", "mapped by", "shipped by", "shown", "title"),
        [
            (row.channel, row.sku, row.item, row.mapped_by, row.fulfiller, _shown(row), row.title)
            for row in rows
        ],
    )  # fmt: skip
    show.line(show.many(len(rows), "unmapped listing" if unmapped else "listing"))


def _shown(row: Any) -> str:
    return "yes" if row.listed else "not yet"


def mapped(
    channel: Channel,
    sku: Sku,
    item: Annotated[str, typer.Argument(metavar="ITEM-SKU", help="The item it is, by its SKU here.")],
    config: Config = given.FOLDER,
    json: Json = False,
) -> None:
    """Say which item a channel's SKU is. Lines held for it resume by themselves."""
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        was = map_listing(store, channel_id(store, settings, name), sku, item)
    if json:
        show.document({"channel": name, "sku": sku, "item": item, "was": was})
    else:
        show.line(f"{sku} at {name} is {item}" + (f" (was {was})" if was not in (None, item) else ""))


def unmapped(channel: Channel, sku: Sku, config: Config = given.FOLDER, json: Json = False) -> None:
    """Forget which item a channel's SKU is. Nothing of it is offered any more, and its new orders are held."""
    with given.opened(config) as (settings, store):
        (name,) = given.chosen(settings, [channel])
        was = unmap_listing(store, channel_id(store, settings, name), settings.channels[name], sku)
    if json:
        show.document({"channel": name, "sku": sku, "item": None, "was": was})
    else:
        show.line(f"{sku} at {name} is not mapped any more (was {was}); the channel is told 0 of it")


def read(channels: Channels = None, config: Config = given.FOLDER, json: Json = False, wait: Wait = 600) -> None:
    """Read everything the channels offer, now."""
    with given.opened(config) as (settings, store):
        names = given.chosen(settings, channels)
        read_again(store, [channel_id(store, settings, name) for name in names])
        done = work(store, settings, names, wait)
        with store.read() as tx:
            counts = {
                row.name: (int(row.listings), int(row.unmapped))
                for row in tx.rows(
                    "SELECT c.name, count(l.id) AS listings,"
                    " count(l.id) - count(l.item_id) AS unmapped FROM channels c"
                    " LEFT JOIN listings l ON l.channel_id = c.id AND l.listed WHERE c.name IN :names"
                    " GROUP BY c.name ORDER BY c.name",
                    names=names,
                )
            }
    if json:
        show.document(
            {
                "channels": [
                    {"channel": one.channel, "state": one.state, "reason": one.reason,
                     "listings": counts[one.channel][0], "unmapped": counts[one.channel][1]}
                    for one in done
                ]
            }
        )  # fmt: skip
    else:
        show.table(
            ("channel", "state", "listings", "unmapped"),
            [(one.channel, one.state, *counts[one.channel]) for one in done],
        )
        for one in done:
            if one.reason:
                show.line(f"{one.channel}: {one.reason}")
    if any(one.state != "ok" for one in done):
        raise typer.Exit(NeedsAttention.code)
