"""A rotating token among real processes: renewed once for all of them, and never lost to a crash."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest
from werkzeug.wrappers import Request, Response

from connectors.shopify import Shopify
from connectors.shopify.simulator import ShopifySimulator
from core.errors import Unauthorized
from core.store.credentials import Kept
from core.store.database import Store
from core.store.seal import Seal
from tests.connectors.shopify.given import goods, order_of, pulled, settings

KEY = bytes(range(32))
PATIENCE = 60.0


@pytest.fixture
def simulator() -> Iterator[ShopifySimulator]:
    with ShopifySimulator(listings=goods(), plan_points=2000, rotating=True) as started:
        assert isinstance(started, ShopifySimulator)
        yield started


def keeper(store: Store) -> Kept:
    return Kept(store, "shop", Seal([KEY]))


def shop(simulator: ShopifySimulator, store: Store) -> Shopify:
    return Shopify("shop", settings(simulator), keeper(store))


@contextlib.contextmanager
def worker(simulator: ShopifySimulator, store_url: str, *how: str) -> Iterator[subprocess.Popen[str]]:
    door = simulator.door
    given = (store_url, KEY.hex(), simulator.base_url, door.client_id, door.client_secret, door.first_refresh, *how)
    process = subprocess.Popen(
        [sys.executable, "-m", "tests.acceptance.renewer", *given],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield process
    finally:
        if process.poll() is None:
            process.kill()
        process.communicate()


def ready(process: subprocess.Popen[str]) -> None:
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n", process.stderr and process.stderr.read()


def go(process: subprocess.Popen[str]) -> None:
    assert process.stdin is not None
    process.stdin.write("\n")
    process.stdin.flush()


def slowly(simulator: ShopifySimulator) -> None:
    """The token service takes its time, so that whoever wants a token at once meets there."""
    answer = simulator.door.answer

    def late(request: Request) -> Response:
        simulator.lock.release()  # the shop itself goes on answering
        try:
            time.sleep(0.5)
        finally:
            simulator.lock.acquire()
        return answer(request)

    simulator.door.answer = late  # type: ignore[method-assign]


def worn(store: Store) -> None:
    """The kept token's time is over by the clock."""
    kept = keeper(store)
    with store.read() as tx:
        origin = tx.value("SELECT origin FROM credentials")
    grant = kept.load("access", origin)
    assert grant is not None
    past = time.time() - 60
    lease = kept.lease("access", 60.0)
    assert kept.save("access", origin, msgspec.structs.replace(grant, expires_at=past, renew_at=past), lease)
    kept.release("access", lease)


@pytest.mark.parametrize("how", ["expired by the clock", "refused by the shop"])
def test_processes_that_meet_one_dead_token_refresh_it_once(
    simulator: ShopifySimulator, store: Store, store_url: str, how: str
) -> None:
    number = simulator.place(order_of(("MUG-1", 1)))
    assert list(pulled(shop(simulator, store))) == [number]
    assert len(simulator.door.refreshes) == 1
    if how == "expired by the clock":
        worn(store)
    simulator.expire_tokens()
    slowly(simulator)
    with contextlib.ExitStack() as running:
        workers = [running.enter_context(worker(simulator, store_url)) for _ in range(3)]
        for each in workers:
            ready(each)
        for each in workers:
            go(each)
        said = [each.communicate(timeout=PATIENCE) for each in workers]
    assert [out for out, _ in said] == ["1 orders\n"] * 3, said
    assert len(simulator.door.refreshes) == 2, "one for all three"


def test_a_restart_needs_no_token_request(simulator: ShopifySimulator, store: Store, store_url: str) -> None:
    pulled(shop(simulator, store))
    for _ in range(2):
        with worker(simulator, store_url) as process:
            ready(process)
            go(process)
            assert process.communicate(timeout=PATIENCE)[0] == "0 orders\n"
    assert simulator.calls["access_token"] == 1


def test_a_crash_between_refresh_and_keeping_loses_nothing(
    simulator: ShopifySimulator, store: Store, store_url: str
) -> None:
    pulled(shop(simulator, store))
    worn(store)
    with worker(simulator, store_url, "kill") as process:
        ready(process)
        go(process)
        assert process.wait(PATIENCE) == -signal.SIGKILL
    assert len(simulator.door.refreshes) == 2, "the shop has renewed it, and nobody knows the new one"
    with store.write() as tx:
        tx.run("UPDATE credentials SET leased_until = 0")  # the dead worker's lease runs out
    assert pulled(shop(simulator, store)) == {}
    first, second, again = simulator.door.refreshes
    assert first != second
    assert again == second, "the shop forgives asking again while the replacement is unused"
    worn(store)
    assert pulled(shop(simulator, store)) == {}
    assert simulator.door.refreshes[3] not in (first, second), "and the chain goes on"


def test_a_crash_that_nobody_mends_for_a_month_asks_for_a_person(simulator: ShopifySimulator, store: Store) -> None:
    pulled(shop(simulator, store))
    with store.read() as tx:
        before = tx.value("SELECT sealed FROM credentials")
    worn(store)
    pulled(shop(simulator, store))
    with store.write() as tx:  # an old backup is restored
        tx.run("UPDATE credentials SET sealed = :sealed", sealed=before)
    worn(store)
    simulator.door.ahead += 31 * 86_400
    with pytest.raises(Unauthorized, match="install the app again and give its new refresh token"):
        pulled(shop(simulator, store))


def test_a_new_refresh_token_in_the_settings_takes_the_place_of_what_is_kept(
    simulator: ShopifySimulator, store: Store
) -> None:
    pulled(shop(simulator, store))
    simulator.door.remove()
    with pytest.raises(Unauthorized):
        pulled(shop(simulator, store))
    simulator.door.install()
    assert pulled(shop(simulator, store)) == {}


def test_no_token_and_no_secret_shows_in_the_stores_file_or_in_what_is_said(
    simulator: ShopifySimulator, sqlite_store: Store, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level("DEBUG")
    said = []
    for _ in range(3):
        pulled(shop(simulator, sqlite_store))
        worn(sqlite_store)
    simulator.door.remove()
    with pytest.raises(Unauthorized) as raised:
        pulled(shop(simulator, sqlite_store))
    said.append(str(raised.value))
    with pytest.raises(Unauthorized) as raised:
        pulled(Shopify("shop", settings(simulator), Kept(sqlite_store, "shop", Seal([KEY[::-1]]))))
    said.append(str(raised.value))
    file = Path(str(sqlite_store.engine.url.database))
    raw = b"".join(path.read_bytes() for path in file.parent.iterdir() if path.name.startswith(file.name))
    assert b"credentials" in raw
    text = "\n".join([caplog.text, *said])
    for canary in ("shpat_", "shprt_", simulator.door.client_secret, KEY.hex()):
        assert canary not in text
        assert canary.encode() not in raw
