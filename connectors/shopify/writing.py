"""What Shopify says to what it is told, as far as all its mutations say it alike."""

from __future__ import annotations

from collections.abc import Iterable

from connectors.shopify.documents import Record
from core.errors import Unauthorized


class UserError(Record):
    """Why a mutation did nothing. Its message is Shopify's own and names no buyer."""

    message: str
    field: list[str] | None = None
    code: str | None = None


def said(errors: Iterable[UserError]) -> str:
    """The messages in one line, short enough for a reason."""
    return "; ".join(error.message for error in errors)[:200] or "without a reason"


def forbidden(error: Unauthorized) -> str:
    """What a refusal says where the app lacks the right to one thing: the rest of the channel goes on without it.

    Raises the error again where the credentials themselves are refused.
    """
    if not error.forbidden:
        raise error
    return str(error).partition(";")[0]
