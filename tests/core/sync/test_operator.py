"""What the operator's commands read and write, on both databases: statuses, stories, plans, mappings, requests."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from core.errors import UserError
from core.model import Fulfiller, Hold, instant
from core.settings import DaemonSettings, LogSettings, RoutingSettings, Settings, StoreSettings
from core.sync.ask import answers, ask_levels, ask_orders, ask_since, ask_turn, channel_row
from core.sync.find import find_order, numbers_at
from core.sync.mapping import map_listing, read_again, unmap_listing
from core.sync.plan import plan
from core.sync.received import Came, Disposition, Receiving, receive
from core.sync.reread import reread
from core.sync.status import ORDER_STATUS, OrderStatus, standing
from core.sync.story import tell
from tests.core.sync.fake import Fake, body
from tests.core.sync.world import World, connector, edited, line, order


def statuses(world: World) -> dict[str, str]:
    return {row.number: row.status for row in world.rows(f"SELECT o.number, {ORDER_STATUS} AS status FROM orders o")}


def test_an_orders_status_follows_from_its_lines(world: World) -> None:
    world.item("TEE", east=20)
    world.item("LAST", east=1)
    shop = world.channel()
    world.channel("other")
    a = order("cancelled", line(1, "TEE", 2, cancelled=2), line(2, "TEE", 1, cancelled=1))
    b = order("empty")
    c = order("channel", line(1, "TEE", 2), fulfiller=Fulfiller.CHANNEL)
    d = order("test", line(1, "TEE", 2), test=True, holds=(Hold.TEST,))
    e = order("pending", line(1, "TEE", 2), holds=(Hold.PENDING,), ship_to=None)
    f = order("held", line(1, "TEE", 2), holds=(Hold.FRAUD,))
    g = order("unknown", line(1, "TEE", 1), line(2, "WHAT", 1))
    h = order("part", line(1, "LAST", 2))
    i = order("none", line(1, "LAST", 2))
    j = order("allocated", line(1, "TEE", 2))
    k = order("sent", line(1, "TEE", 1), line(2, "TEE", 1, cancelled=1))
    m = order("sending", line(1, "TEE", 3))
    world.take(shop, a, b, c, d, e, f, g, h)
    world.take(shop, i, j, k, m)
    world.refill(shop)
    world.release(shop)
    world.ship("sent", TEE=1)
    world.ship("sending", TEE=1)
    assert statuses(world) == {
        "cancelled": "cancelled",
        "empty": "empty",
        "channel": "channel",
        "test": "test",
        "pending": "pending",
        "held": "held",
        "unknown": "held",
        "part": "partially_backordered",
        "none": "backordered",
        "allocated": "allocated",
        "sent": "shipped",
        "sending": "partially_shipped",
    }
    assert set(statuses(world).values()) <= {status.value for status in OrderStatus}


def test_an_order_that_waits_for_one_location_to_hold_it_is_unrouted(world: World) -> None:
    world.item("TEE", east=1, west=1)
    world.routing = RoutingSettings(split=False)
    shop = world.channel()
    world.take(shop, order("1", line(1, "TEE", 2)))
    assert statuses(world) == {"1": "unrouted"}
    (waiting,) = standing(world.store).waiting.values()
    assert (waiting.unrouted, waiting.held, waiting.backordered) == (1, 0, 0)


def test_what_came_back_whole_is_returned(small_world: World) -> None:
    world = small_world
    world.item("TEE", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "TEE", 2)))
    world.ship("1")
    came = [Came(name="TEE", units=1, disposition=Disposition.DAMAGED)]
    receive(world.store, Receiving(target="1", came=came), world.now)
    assert statuses(world) == {"1": "shipped"}
    receive(world.store, Receiving(target="1", came=came), world.now)
    assert statuses(world) == {"1": "returned"}


def test_standing_counts_what_waits_channel_by_channel(world: World) -> None:
    world.item("TEE", east=5)
    world.item("MUG", east=5)
    shop = world.channel()
    world.channel("idle")
    world.take(
        shop,
        order("1", line(1, "TEE", 9)),
        order("2", line(1, "WHAT", 1)),
        order("3", line(1, "MUG", 1), holds=(Hold.FRAUD,)),
        order("4", line(1, "TEE", 1), fulfiller=Fulfiller.CHANNEL),
        order("5", line(1, "TEE", 1, cancelled=1), holds=(Hold.FRAUD,)),
    )
    found = standing(world.store)
    waiting = found.waiting["shop"]
    assert (waiting.held, waiting.backordered, waiting.unrouted) == (2, 1, 0)
    waiting = found.waiting["idle"]
    assert (waiting.held, waiting.backordered, waiting.unrouted) == (0, 0, 0)
    assert found.channels["shop"].stored == 5
    assert found.touched == 2


def test_an_order_is_found_by_each_of_its_names(world: World) -> None:
    shop, other = world.channel(), world.channel("other")
    world.take(shop, order("A-1", name="#7"))
    world.take(other, order("B-1", name="#7"))
    ours = world.order("A-1").id
    with world.store.read() as tx:
        for text in (str(ours), "A-1", "shop:A-1", "shop:#7", f"shop:{ours}"):
            assert find_order(tx, text).id == ours
        several = "'#7' names several orders, 1 at shop, 1 at other; write one of shop:#7, other:#7"
        with pytest.raises(UserError, match=several):
            find_order(tx, "#7")
        for text in ("A-2", "9" * 30):
            with pytest.raises(UserError, match="no order is called"):
                find_order(tx, text)
        with pytest.raises(UserError, match="an order has a name"):
            find_order(tx, "")
        with pytest.raises(UserError, match="no order of shop is called 'B-1'; see `ordersync orders --channel shop`"):
            find_order(tx, "shop:B-1")
    assert numbers_at(world.store, "shop", ["#7", "shop:A-1", "shop:#7", "new", str(ours)]) == ["A-1", "new"]


def test_a_name_that_one_channel_gave_twice_is_told_by_its_numbers(world: World) -> None:
    shop = world.channel()
    world.take(shop, order("A-1", name="#7"), order("A-2", name="#7"), order("gid://7", name="A-2"))
    with world.store.read() as tx:
        for text in ("#7", "shop:#7"):
            with pytest.raises(UserError, match=f"'{text}' names .* 2 at shop; write one of shop:A-1, shop:A-2"):
                find_order(tx, text)
        assert find_order(tx, "shop:A-2").number == "A-2", "a number wins over a name"
        assert find_order(tx, "gid://7").number == find_order(tx, "shop:gid://7").number == "gid://7"
    with pytest.raises(UserError, match="write one of shop:A-1, shop:A-2"):
        numbers_at(world.store, "shop", ["#7"])


def test_an_orders_story_tells_counters_work_and_parcels(world: World) -> None:
    world.item("TEE", east=5)
    shop = world.channel()
    one = order("1", line(1, "TEE", 2), acknowledged=False)
    world.take(shop, one)
    world.take(shop, edited(one, service="express"))
    world.release(shop)
    world.ship("1", TEE=1)
    with world.store.read() as tx:
        story = tell(tx, find_order(tx, "1"))
        whole = tell(tx, find_order(tx, "1"), buyer=True)
    assert story.status == "partially_shipped"
    assert story.to == {"city": "New York", "region": "NY", "postal_code": "10002", "country": "US"}
    assert (whole.to["name"], whole.to["line1"]) == ("Ada", "1 Main St")
    (work,) = story.work
    assert (work.location, work.state, work.lines[0]["quantity"], work.lines[0]["shipped"]) == (
        "east",
        "released",
        2,
        1,
    )
    (parcel,) = story.parcels
    assert (parcel.tracking, parcel.push, parcel.lines[0]["quantity"]) == ("T1", "queued", 1)
    assert story.acknowledgement.state == "queued"
    assert story.documents == 2
    what = [happening.what for happening in story.timeline]
    assert what[:2] == ["placed at the channel", "taken in"]
    assert "seen changed at the channel" in what
    assert "1 TEE left from east: UPS T1" in what
    assert "tracking T1 is queued at the channel" in what


class _Known(Fake):
    """A fake that may be made by its name, as a registered connector is."""

    def __init__(self, name: str = "", settings: Any = None) -> None:
        super().__init__(name=name)


def configured(world: World, channels: Mapping[str, Any]) -> Settings:
    return Settings(
        folder=Path(),
        store=StoreSettings(),
        daemon=DaemonSettings(),
        log=LogSettings(),
        locations=(),
        routing=world.routing,
        channels=channels,
    )


def test_a_plan_names_levels_and_pushes_and_keeps_nothing(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.sync.plan.find", lambda name: _Known)
    tee = world.item("TEE", east=5)
    shop = world.channel()
    world.offer(shop, "TEE")
    world.take(shop, order("1", line(1, "TEE", 2), acknowledged=False))
    world.ship("1")
    before = [world.rows(f"SELECT * FROM {table}") for table in ("levels", "touched", "listings", "channels")]
    found = plan(world.store, configured(world, {"shop": shop.settings}), world.now)
    assert [(level.sku, level.old, level.new, level.waits_for) for level in found.levels] == [("TEE", None, 3, "")]
    assert [(push.kind, push.tracking, push.state) for push in found.pushes] == [
        ("acknowledge", "", "queued"),
        ("tracking", "T1", "queued"),
    ]
    after = [world.rows(f"SELECT * FROM {table}") for table in ("levels", "touched", "listings", "channels")]
    assert after == before
    assert [row.item_id for row in after[1]] == [tee]


def test_a_mapping_by_hand_wakes_its_channel_and_ends_a_hold(world: World) -> None:
    world.item("TEE", east=5)
    shop = world.channel()
    world.take(shop, order("1", line(1, "T-SHIRT", 2)))
    assert map_listing(world.store, shop.id, "T-SHIRT", "TEE", world.now).was is None
    row = world.channel_row()
    assert row.wanted > row.done
    world.refill(shop)
    assert world.counts("1") == {"ordered": 2, "reserved": 2, "allocated": 2}
    with pytest.raises(UserError, match="there is no item CUP"):
        map_listing(world.store, shop.id, "T-SHIRT", "CUP", world.now)


def test_an_unmapped_listings_level_is_told_as_nothing(world: World) -> None:
    world.item("TEE", east=5)
    shop = world.channel()
    map_listing(world.store, shop.id, "T-SHIRT", "TEE", world.now)
    with world.store.write() as tx:
        tx.run(
            "INSERT INTO levels (listing_id, place, channel_id, desired, told, sent, sent_revision, revision, state)"
            " SELECT id, '', channel_id, 5, 5, 5, 1, 1, 'applied' FROM listings"
        )
    assert unmap_listing(world.store, shop.id, shop.settings, "T-SHIRT") == "TEE"
    row = world.row("SELECT * FROM levels")
    assert (row.desired, row.revision, row.state) == (0, 2, "queued")
    with pytest.raises(UserError, match="is not mapped"):
        unmap_listing(world.store, shop.id, shop.settings, "T-SHIRT")


def test_listings_to_be_read_again_are_due(world: World) -> None:
    shop = world.channel()
    world.offer(shop, "TEE")
    assert world.channel_row().listings_read is not None
    read_again(world.store, [shop.id])
    assert world.channel_row().listings_read is None


def test_requests_are_written_down_and_their_answers_read(world: World) -> None:
    shop = world.channel()
    asked = [
        ask_orders(world.store, shop.id, ["1"], world.now),
        ask_since(world.store, shop.id, instant(world.now), world.now),
        ask_levels(world.store, shop.id, world.now),
    ]
    assert answers(world.store, asked) == {}
    with world.store.write() as tx:
        tx.run('UPDATE requests SET done_at = 1, outcome = \'{"1": "stored"}\' WHERE id = :id', id=asked[0])
    assert answers(world.store, asked) == {asked[0]: {"1": "stored"}}
    assert channel_row(world.store, "shop").id == shop.id
    assert channel_row(world.store, "shpo") is None


def test_a_turn_asked_for_makes_a_parked_channel_due_and_sees_it_end(world: World) -> None:
    shop = world.channel()
    with world.store.write() as tx:
        tx.run("UPDATE channels SET health = 'parked', fails = 3, next_due = 999, reason = 'no'")
    watch = ask_turn(world.store, shop.id)
    assert world.channel_row().next_due == 0
    assert not watch.look(world.store)
    with world.store.write() as tx:
        tx.run("UPDATE channels SET fails = 4")
    assert watch.look(world.store)
    assert watch.failed
    with world.store.write() as tx:
        tx.run("UPDATE channels SET done = wanted, fails = 0")
    assert watch.look(world.store)
    assert not watch.failed


def test_a_document_read_again_never_replaces_what_was_seen_since(world: World) -> None:
    world.item("TEE", east=5)
    shop = world.channel()
    old = order("1", line(1, "TEE", 1))
    new = edited(old, version=old.version, lines=(line(1, "TEE", 3),))  # only the instant it was seen at tells
    fake = connector(shop)
    with world.store.write() as tx:
        for one in (old, order("2", line(1, "TEE", 1))):
            tx.run(
                "INSERT INTO quarantine (channel_id, number, digest, body, reason, observed_at)"
                " VALUES (:channel, :number, :digest, :body, 'tomorrow', :at)",
                channel=shop.id,
                number=one.number,
                digest=one.number.encode(),
                body=body(one),
                at=world.now,
            )
    world.take(shop, new)
    assert world.counts("1")["ordered"] == 3
    rows = world.rows("SELECT * FROM quarantine ORDER BY id")
    world.later()
    assert [reread(world.store, shop, row, world.clock) for row in rows] == ["unchanged", "stored"]
    assert world.counts("1")["ordered"] == 3
    assert world.value("SELECT count(*) FROM quarantine WHERE state = 'open'") == 0
    assert fake.calls == []
