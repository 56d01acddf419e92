"""VectorPrior: a distribution over states that are vectors of numbers."""

from torch import Tensor, nn

from atarigan.models.state.state_prior import StatePrior
from atarigan.models.state.vector_bins import VectorBins

NUM_KNOTS = 64


class VectorPrior(nn.Module):
    """A distribution over states float (B, size): that of their nearest knots, as if these were
    bytes of RAM (`StatePrior`).

    Attributes:
        bins: 64 knots of each number.
        prior: of the knots' places.
    """

    def __init__(self, size: int) -> None:
        super().__init__()
        self.bins = VectorBins(size, NUM_KNOTS)
        self.prior = StatePrior(size)

    @property
    def num_quantiles(self) -> int:
        """How many quantiles determine a state."""
        return self.prior.num_quantiles

    def fit(self, states: Tensor) -> None:
        """Find knots in states float (N, size), N at least 1, and initialize the weights."""
        self.bins.fit(states)
        self.prior.fit(self.bins.bytes(states))

    def negative_log_likelihood(self, states: Tensor) -> Tensor:
        """Return the mean of -log p of knots, in nats, over states float (B, size), a scalar."""
        return self.prior.negative_log_likelihood(self.bins.bytes(states))

    def states(self, quantiles: Tensor) -> Tensor:
        """Return the states float (B, size) of quantiles (B, num_quantiles) in [0, 1)."""
        return self.bins.states(self.prior.states(quantiles))
