"""Files: work orders written into a folder for a warehouse, and read from one what it tells. docs/warehouses.md has the
columns.

`client.py` is the connector; `export.py` writes work as CSV and JSON; `rows.py` reads CSV, strictly; `local.py` and
`sftp.py` are the two kinds of folder.
"""

from connectors.filedrop.client import FileDrop

__all__ = ["FileDrop"]
