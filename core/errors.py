"""What can go wrong at a channel or with the user's input, named by what happens next.

Imports nothing of ours. Anything a connector raises that is not a `ChannelError` is a bug: it stops
that channel loudly while the others go on.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class UserError(Exception):
    """The user's mistake or surroundings: printed as one line (what, where, what to do), never a traceback.

    `code` is the exit code of the command: 2 wrong usage or configuration, 3 a channel needs
    attention, 4 the store cannot be used.
    """

    code = 2


class StoreError(UserError):
    """The store cannot be opened or used: absent, locked, full, or of another version."""

    code = 4


class ChannelError(Exception):
    """Base of every failure that belongs to one channel. Its text never holds a secret or a buyer's data."""


class Unavailable(ChannelError):
    """The channel cannot answer now: the round ends and is tried again later.

    `after` is the number of seconds the channel asked us to wait, None when it did not say.
    `ambiguous` is True when the request may have taken effect all the same (a write whose answer was
    lost): whoever sent it must read the channel back before sending it again. `keys` names the pushed keys
    that are in doubt by it; None: all that were not answered.
    """

    def __init__(self, reason: str, *, after: float | None = None, ambiguous: bool = False) -> None:
        super().__init__(reason)
        self.after = after
        self.ambiguous = ambiguous
        self.keys: frozenset[str] | None = None


class Throttled(Unavailable):
    """The channel was asked as often as it allows, by our own count or by its word: a wait that was to be expected.

    Nothing of the request took effect. `after` is None only where nobody knows how long.
    """


@contextmanager
def in_doubt(keys: Iterable[str]) -> Iterator[None]:
    """A request about these pushed keys and no others: an answer lost in here leaves only them in doubt."""
    try:
        yield
    except Unavailable as error:
        if error.keys is None:
            error.keys = frozenset(keys)
        raise


class Unauthorized(ChannelError):
    """The credentials are refused: the channel is parked until a person acts. The text says what to do.

    `forbidden` is True when the credentials are known but lack a right: a new token would not help.
    """

    def __init__(self, reason: str, *, forbidden: bool = False) -> None:
        super().__init__(reason)
        self.forbidden = forbidden


class NotFound(ChannelError):
    """The thing asked for does not exist at the channel."""


class Rejected(ChannelError):
    """The channel refused a request as wrong (4xx other than the above): ours to mend, not retried blindly.

    `status` is the HTTP status, `body` the answer's bytes for the connector to read; the text never quotes them.
    """

    def __init__(self, reason: str, *, status: int = 0, body: bytes = b"") -> None:
        super().__init__(reason)
        self.status = status
        self.body = body


class BadDocument(ChannelError):
    """A document cannot be read as an order: it is set aside with this reason, and its page goes on."""


class Forged(ChannelError):
    """A request that somebody sent us is not signed by the channel: it is refused, and nothing of it is believed."""


class Stale(ChannelError):
    """A request that the channel signed is too old, or from the future, to be worth a look: it is left alone."""


class Fenced(Exception):
    """Another worker has taken this channel over: nothing of the present transaction is kept."""
