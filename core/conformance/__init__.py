"""The connector contract as a test suite: every promise of `core.connector` and `core.model` is one test.

A plugin's suite is one class and two fixtures:

    class TestMyConnector(Conformance):
        @pytest.fixture
        def far_end(self): ...      # what `core.conformance.FarEnd` describes: a simulator, or an adapter to one
        @pytest.fixture
        def connector(self, far_end): ...      # the connector, its settings pointing at that far end

Each test wants a fresh far end with at least three SKUs on offer, a hundred units and more of each, and no orders.
`Given` lists what a suite may say besides. A test of an ability that the connector declares absent passes without
asking anything; one that needs a failure the far end cannot be told to have is skipped, with that reason.

Every check is a method that may also be called by itself: `Suite().test_...(connector, far_end)` returns, or raises
`AssertionError` saying what was promised and what came. Running the fixtures needs pytest; the kit itself does not.
"""

from core.conformance.answers import Answers
from core.conformance.batches import Batches
from core.conformance.cancelling import Cancelling
from core.conformance.declared import Declared
from core.conformance.documents import Documents
from core.conformance.examining import Examining
from core.conformance.failures import Failures
from core.conformance.far_end import Effect, Failure, FarEnd, RefundEffect, Truth
from core.conformance.given import Given
from core.conformance.hinting import Hinting
from core.conformance.history import History
from core.conformance.hostile import Hostile
from core.conformance.levels import Levels
from core.conformance.pulling import Pulling
from core.conformance.refunding import Refunding
from core.conformance.returning import Returning
from core.conformance.shipping import Shipping
from core.conformance.voiding import Voids

__all__ = ["Conformance", "Effect", "Failure", "FarEnd", "Given", "RefundEffect", "Truth"]


class Conformance(
    Declared,
    Pulling,
    Documents,
    Hostile,
    Shipping,
    Voids,
    Cancelling,
    Refunding,
    Levels,
    Batches,
    Failures,
    Answers,
    History,
    Returning,
    Examining,
    Hinting,
):
    """The whole contract. Subclass it in a test module and give the fixtures `connector` and `far_end`."""
