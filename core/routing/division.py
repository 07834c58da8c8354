"""Who sends what: an order's units divided among locations in order of rank.

The first that holds everything gets it all. Where none does and the order may be split, the fewest locations that
together hold it are asked, of those sets the one that ranks best (`covering`); of each line, the better ranked location
sends what it has. Where that search would take too long, the location that can send most units is asked first, then
the next for the rest, and the decision says how many parcels are needed at least.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from core.model import Parts
from core.routing.covering import Spent, Worth, at_least, fewest
from core.routing.words import Candidate, Decision, Piece, Reason, Share

Free = Mapping[tuple[int, int], int]
"""Units by (item, location)."""

MOST_FITS = 2_000
"""Ways tried to lay lines that share an item on a set of locations."""

MOST_TANGLED = 12
"""Lines that share items with others and are still laid in every way; of more, most units go first."""


def route(
    pieces: Sequence[Piece],
    free: Free,
    ranked: Sequence[Candidate],
    worth: Sequence[Worth],
    *,
    split: bool = True,
    kept: Free | None = None,
) -> Decision:
    """Divides `pieces` among `ranked`, of which those that were not dropped have their `worth`, given what is `free`.

    `kept`: units besides that stand there and are not to be routed; what only they could serve keeps its promise.
    """
    able = [candidate.id for candidate in ranked if not candidate.dropped]
    need: dict[int, int] = {}
    wanted: dict[int, int] = {}
    for piece in pieces:
        wanted[piece.line_id] = piece.quantity
        for item, per in piece.parts:
            need[item] = need.get(item, 0) + per * piece.quantity
    for passed, place in enumerate(able):
        for item, count in need.items():
            if free.get((item, place), 0) < count:
                break
        else:
            lacks = _lacks(pieces, free, able[:passed]) if passed else {}
            return Decision((Share(place, wanted),), 0, "one location holds everything", lacks)
    lacks = _lacks(pieces, free, able)
    total = sum(wanted.values())
    if not split:
        # What a location has that was dropped for this order may be why no other holds everything.
        rule = "no single location holds everything, and the order may not be split"
        return Decision((), total, rule, lacks, waits=wanted, reason=_waits_for(pieces, free, ranked, need))
    shares, least = _shares(pieces, wanted, free, able, worth)
    left = dict(free)
    open = dict(wanted)
    for share in shares:
        _take(pieces, share, left, open)
    unplaced = sum(open.values())
    waits, reason = _kept(pieces, open, left, kept or {}, ranked) if unplaced else ({}, None)
    rule = "the fewest parcels" if shares else "no location may send it"
    return Decision(tuple(shares), unplaced, rule, lacks, least, waits, reason)


def _shares(
    lines: Sequence[Piece], wanted: Mapping[int, int], free: Free, able: Sequence[int], worth: Sequence[Worth]
) -> tuple[list[Share], int]:
    """The shares, and how many parcels are needed at least where fewer are not ruled out (else 0)."""
    pieces = _merged(lines)
    all_ = {piece.line_id: piece.quantity for piece in pieces}
    holds = [_alone(pieces, all_, free, place) for place in able]
    useful = [at for at, row in enumerate(holds) if any(row)]
    places, rows = [able[at] for at in useful], [holds[at] for at in useful]
    tangled = _is_tangled(pieces)
    had = [sum(row[line] for row in rows) for line in range(len(pieces))]
    can = [min(piece.quantity, units) for piece, units in zip(pieces, had, strict=True)]
    found: dict[tuple[int, ...], list[Share]] = {}

    def fits(chosen: tuple[int, ...]) -> bool:
        shares = _lay(pieces, can, free, [places[at] for at in chosen])
        if shares is not None:
            found[chosen] = shares
        return shares is not None

    least = 0
    try:
        if tangled and len(pieces) > MOST_TANGLED:
            raise Spent
        chosen = fewest(can, rows, [worth[at] for at in useful], fits if tangled else None)
        # None chosen: nothing is there, or lines that share an item cannot all have what each could have alone.
        shares = found[chosen] if tangled and chosen else _in_order(pieces, can, free, [places[at] for at in chosen])
    except Spent:
        chosen, least = (), at_least(can, rows)
    if not chosen:
        shares = _greedy(pieces, all_, free, places)
    return _unmerged(shares, lines, pieces), least if len(shares) > least else 0


def _merged(lines: Sequence[Piece]) -> list[Piece]:
    """Lines made of the same parts as one, under the first one's id."""
    first: dict[Parts, Piece] = {}
    for piece in lines:
        known = first.get(piece.parts)
        quantity = piece.quantity + (known.quantity if known else 0)
        first[piece.parts] = Piece(known.line_id if known else piece.line_id, piece.parts, quantity)
    return list(first.values())


def _unmerged(shares: Sequence[Share], lines: Sequence[Piece], pieces: Sequence[Piece]) -> list[Share]:
    """What merged lines were given, to the lines themselves: the first one first."""
    if len(lines) == len(pieces):
        return list(shares)
    of = {piece.parts: piece.line_id for piece in pieces}
    open = {line.line_id: line.quantity for line in lines}
    found = []
    for share in shares:
        left, units = dict(share.units), {}
        for line in lines:
            count = min(open[line.line_id], left.get(of[line.parts], 0))
            if count:
                units[line.line_id] = count
                open[line.line_id] -= count
                left[of[line.parts]] -= count
        found.append(Share(share.location_id, units))
    return found


def _alone(pieces: Sequence[Piece], wanted: Mapping[int, int], free: Free, place: int) -> list[int]:
    """What one location could send of each line, were there no other line."""
    return [
        max(0, min(wanted[piece.line_id], *(free.get((item, place), 0) // per for item, per in piece.parts)))
        for piece in pieces
    ]


def _is_tangled(pieces: Sequence[Piece]) -> bool:
    items = [item for piece in pieces for item, _ in piece.parts]
    return len(set(items)) < len(items)


def _in_order(pieces: Sequence[Piece], can: Sequence[int], free: Free, places: Sequence[int]) -> list[Share]:
    """Each line from the best ranked of the places that has it; lines that share no item."""
    left = {piece.line_id: units for piece, units in zip(pieces, can, strict=True)}
    shares = []
    for place in places:
        units = {line: count for line, count in zip(left, _alone(pieces, left, free, place), strict=True) if count}
        for line, count in units.items():
            left[line] -= count
        if units:
            shares.append(Share(place, units))
    return shares


def _lay(pieces: Sequence[Piece], can: Sequence[int], free: Free, places: Sequence[int]) -> list[Share] | None:
    """Lines that share items on these places, each with as many units as wanted; None where there is no way.

    All ways are tried, the better ranked place's units first. Raises `Spent` after `MOST_FITS`.
    """
    left = {
        (item, place): free.get((item, place), 0) for piece in pieces for item, _ in piece.parts for place in places
    }
    laid: dict[tuple[int, int], int] = {}
    tries = 0

    def look(line: int, at: int, want: int) -> bool:
        nonlocal tries
        tries += 1
        if tries > MOST_FITS:
            raise Spent
        if not want:
            return line + 1 == len(pieces) or look(line + 1, 0, can[line + 1])
        if at == len(places):
            return False
        place = places[at]
        most = min(want, *(left[item, place] // per for item, per in pieces[line].parts))
        for units in range(max(0, most), -1, -1):
            for item, per in pieces[line].parts:
                left[item, place] -= per * units
            laid[line, place] = units
            if look(line, at + 1, want - units):
                return True
            for item, per in pieces[line].parts:
                left[item, place] += per * units
            laid[line, place] = 0
        return False

    if not look(0, 0, can[0]):
        return None
    shares = []
    for place in places:
        units = {piece.line_id: laid.get((line, place), 0) for line, piece in enumerate(pieces)}
        shares.append(Share(place, {line: count for line, count in units.items() if count}))
    return [share for share in shares if share.units]


def _greedy(pieces: Sequence[Piece], wanted: Mapping[int, int], free: Free, able: Sequence[int]) -> list[Share]:
    """The place that can send most units, then the next for the rest; the better ranked of equals."""
    left, open = dict(free), dict(wanted)
    shares: list[Share] = []
    places = list(able)
    while any(open.values()):
        best, units = 0, dict[int, int]()
        for place in places:
            offer = sendable(pieces, open, left, place)
            if sum(offer.values()) > sum(units.values()):
                best, units = place, offer
        if not units:
            break
        share = Share(best, units)
        _take(pieces, share, left, open)
        places.remove(best)
        shares.append(share)
    return shares


def _take(pieces: Sequence[Piece], share: Share, left: dict[tuple[int, int], int], open: dict[int, int]) -> None:
    for piece in pieces:
        count = share.units.get(piece.line_id, 0)
        open[piece.line_id] -= count
        for item, per in piece.parts:
            left[item, share.location_id] = left.get((item, share.location_id), 0) - per * count


def sendable(pieces: Sequence[Piece], wanted: Mapping[int, int], free: Free, place: int) -> dict[int, int]:
    """What `place` can send of `wanted`, first lines first; a kit goes whole or not at all."""
    left: dict[int, int] = {}
    units: dict[int, int] = {}
    for piece in pieces:
        count = wanted[piece.line_id]
        for item, per in piece.parts:
            count = min(count, left.get(item, free.get((item, place), 0)) // per)
        if count > 0:
            units[piece.line_id] = count
            for item, per in piece.parts:
                left[item] = left.get(item, free.get((item, place), 0)) - per * count
    return units


def _lacks(pieces: Sequence[Piece], free: Free, places: Sequence[int]) -> dict[int, dict[int, tuple[int, int]]]:
    """Of each place the lines of which it lacks units: what it has of what is wanted."""
    wanted = {piece.line_id: piece.quantity for piece in pieces}
    found = {}
    for place in places:
        has = sendable(pieces, wanted, free, place)
        found[place] = {line: (has.get(line, 0), count) for line, count in wanted.items() if has.get(line, 0) < count}
    return found


def _kept(
    pieces: Sequence[Piece], wanted: Mapping[int, int], free: Free, kept: Free, ranked: Sequence[Candidate]
) -> tuple[dict[int, int], Reason | None]:
    """Of unplaced units, by line, what locations have that may not send it now, and the first reason why.

    Nobody else is to be promised these units. What is left goes back: no location that ships for the channel has it.
    """
    open, left = dict(wanted), {**free}
    for place, units in kept.items():
        left[place] = left.get(place, 0) + units
    waits: dict[int, int] = {}
    reasons = []
    dropped = [(one.id, Reason(one.by)) for one in ranked if one.by]
    for place_id, reason in [*dropped, *((one.id, Reason.KEPT) for one in ranked if not one.dropped)]:
        share = Share(place_id, sendable(pieces, open, left, place_id))
        _take(pieces, share, left, open)
        for line, count in share.units.items():
            waits[line] = waits.get(line, 0) + count
        if share.units:
            reasons.append(reason)
    return waits, min(reasons, key=list(Reason).index, default=None)


def _waits_for(pieces: Sequence[Piece], free: Free, ranked: Sequence[Candidate], need: Mapping[int, int]) -> Reason:
    """Why an order that may not be split waits: for a location that holds it all and was dropped, if there is one."""
    reasons = [
        Reason(one.by)
        for one in ranked
        if one.by and all(free.get((item, one.id), 0) >= count for item, count in need.items())
    ]
    return min(reasons, key=list(Reason).index, default=Reason.SPLIT)
