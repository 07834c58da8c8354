"""What an order's document shows as given back: pure, one entry for each charge.

Source: `refund.refundCharges` of an order line. Walmart lists charges of all refunds of a line together, names none of
them and dates none. So a charge is named by what it says, its line, kind and amount; of equal ones the second is called
so. That name stands whatever order they are listed in.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from decimal import Decimal

import msgspec

from connectors.walmart.documents import PurchaseOrder
from core.errors import BadDocument
from core.model import ZERO, Refunded, instant

_DIGITS = 12
_LATEST = 253_402_300_799_000


class Charge(msgspec.Struct, frozen=True, gc=False):
    """Money given back for one line."""

    number: str
    line: str
    kind: str
    """PRODUCT or SHIPPING."""
    amount: Decimal
    """Positive, taxes not included."""
    tax: Decimal
    at: int
    """The line's last change in milliseconds: no nearer date is told."""

    @property
    def total(self) -> Decimal:
        return self.amount + self.tax


def charges(document: PurchaseOrder) -> Iterator[Charge]:
    """Every charge given back. Raises `BadDocument` for what is no amount."""
    for index, line in enumerate(document.order_lines.order_line):
        if line.refund is None or line.refund.refund_charges is None:
            continue
        seen: Counter[str] = Counter()
        for given in line.refund.refund_charges.refund_charge or ():
            where = f"orderLines.orderLine[{index}].refund"
            charge = given.charge
            taxed = charge.tax_and_other_fees or charge.tax
            amount = _back(charge.charge_amount.amount, where)
            tax = _back(taxed.tax_amount.amount, where) if taxed is not None and taxed.tax_amount is not None else ZERO
            if not amount + tax:
                continue
            name = f"{line.line_number} {charge.charge_type} {(amount + tax).normalize():f}"
            seen[name] += 1
            number = name if seen[name] == 1 else f"{name} #{seen[name]}"
            at = line.status_date if line.status_date is not None else document.order_date
            if not 0 < at <= _LATEST:
                raise BadDocument(f"orderLines.orderLine[{index}].statusDate: not milliseconds since 1970")
            yield Charge(number, line.line_number, charge.charge_type, amount, tax, at)


def refunds(document: PurchaseOrder) -> tuple[Refunded, ...]:
    """The same as refunds of an `Order`."""
    return tuple(
        Refunded(number=charge.number, at=instant(charge.at * 1000), amount=charge.total)
        for charge in charges(document)
    )


def _back(amount: Decimal, where: str) -> Decimal:
    """What is given back is written as less than nothing; whatever the sign, it was given back."""
    if not amount.is_finite() or amount.adjusted() >= _DIGITS:
        raise BadDocument(f"{where}: an amount that is none")
    return abs(amount)
