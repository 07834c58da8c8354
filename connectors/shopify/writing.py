"""What Shopify says to what it is told, as far as all its mutations say it alike."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.shopify.documents import Record


class UserError(Record):
    """Why a mutation did nothing. Its message is Shopify's own and names no buyer."""

    message: str
    field: list[str] | None = None
    code: str | None = None


def said(errors: Iterable[UserError]) -> str:
    """The messages in one line, short enough for a reason."""
    return "; ".join(error.message for error in errors)[:200] or "without a reason"
