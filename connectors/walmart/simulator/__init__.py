"""The far end: Walmart Marketplace US for one seller account, as a real HTTP server.

`far_end.py` is the server and its people; `front_desk.py` lets requests in (token, headers, limits); `order_desk.py`
answers about orders from the `book.py` they are kept in, `shipping_desk.py` ships, `cancel_desk.py` cancels and
`refund_desk.py` gives money back; `returns_desk.py` answers about returns;
`stock_desk.py` answers about inventory and feeds from the `shelves.py`; `bell.py` tells of orders by itself;
`answers.py` holds the shapes of answers and refusals.
"""

from connectors.walmart.simulator.far_end import WalmartSimulator

__all__ = ["WalmartSimulator"]
