"""Amazon's Selling Partner API, for orders the seller ships.

Read in this order: `client.py` (the connector and what it reads), `account.py` (how the API is reached), `orders.py`
(documents to orders), `pushes.py` (parcels), `cancel.py` (cancellations), `levels.py` and `feeds.py` (quantities). Then
what is read besides: `returns.py` and `reports.py`, `own_stock.py`, `history.py` (backfills and roll calls), and
`examine.py`. `simulator` is the far end.
"""

from connectors.amazon.client import Amazon

__all__ = ["Amazon"]
