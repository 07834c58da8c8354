"""One worker of a shop as a process of its own: `python -m tests.acceptance.renewer`, driven by its standard input.

It prints `ready`, waits for a line, pulls the shop's orders once, and prints how many there are. With `kill` as last
argument it is killed between the token service's answer and the keeping of it.
"""

from __future__ import annotations

import os
import signal
import sys

from pydantic import SecretStr

from connectors.shopify import Shopify, ShopifySettings
from core.credentials import Grant
from core.store.credentials import Kept
from core.store.database import Store, connect
from core.store.seal import Seal


class Killed(Kept):
    """Ends its process where a crash would hurt most."""

    def save(self, kind: str, origin: str, grant: Grant, lease: str) -> bool:
        os.kill(os.getpid(), signal.SIGKILL)
        return False


def main(store_url: str, key: str, base_url: str, client_id: str, secret: str, refresh: str, how: str = "") -> None:
    store = Store(connect(store_url))
    keeper = (Killed if how == "kill" else Kept)(store, "shop", Seal([bytes.fromhex(key)]))
    settings = ShopifySettings(
        connector="shopify",
        shop="shop",
        base_url=base_url,
        client_id=client_id,
        client_secret=SecretStr(secret),
        refresh_token=SecretStr(refresh),
    )
    shop = Shopify("shop", settings, keeper)
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    sys.stdin.readline()
    orders = sum(len(page.observations) for page in shop.pages(None))
    sys.stdout.write(f"{orders} orders\n")


if __name__ == "__main__":
    main(*sys.argv[1:])
