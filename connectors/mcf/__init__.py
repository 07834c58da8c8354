"""Amazon's Multi-Channel Fulfillment: stock in FBA sends orders of other channels.

`client.py` is the connector, `work.py` what Amazon is asked, `reading.py` what its answers mean; the account, its token
and its budgets are those of `connectors.amazon`.
"""

from connectors.mcf.client import Mcf

__all__ = ["Mcf"]
