"""Which of two figures that overlap is in front, by the frames in which they do."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

from atarigan.models.families.picture_layers import Layer, draw_layers
from atarigan.models.search.points import VISIBLE


class DepthVotes:
    """For each pair of figures, sums over frames how much smaller the error is if the first covers
    the second than if the second covers it.

    Only pixels in which exactly two figures are visible vote.

    Args:
        num_figures: of each batch.
        drawn_over: pixels that do not vote, since something else is drawn there, int64 (P,).
    """

    def __init__(self, num_figures: int, drawn_over: Tensor) -> None:
        self._drawn_over = drawn_over
        self._avoided = torch.zeros(num_figures, num_figures)

    def add(self, layers: Iterable[Layer], motion: Tensor) -> None:
        """Compare what figures draw with what they should draw together.

        Args:
            layers: of a batch.
            motion: frames minus what is drawn behind the layers, (B, H * W).
        """
        parts: list[list[Layer]] = [[] for _ in self._avoided]
        for layer in layers:
            parts[layer.figure].append(layer)
        if not parts:
            return
        visible = [self._visible(each, motion) for each in parts]
        pixels, order = torch.cat([each[0] for each in visible]).sort(stable=True)
        pictures = torch.cat([each[1] for each in visible])[order]
        sizes = torch.tensor([len(each[0]) for each in visible])
        numbers = torch.repeat_interleave(sizes)[order.cpu()]
        _, counts = pixels.unique_consecutive(return_counts=True)
        errors = (pictures - motion.flatten()[pixels]).abs().cpu()
        first = (counts.cumsum(0) - counts)[counts == 2].cpu()
        second = first + 1  # the other picture of the same pixel
        for front, behind in ((first, second), (second, first)):
            pairs = numbers[front] * len(visible) + numbers[behind]
            self._avoided.view(-1).index_add_(0, pairs, errors[behind] - errors[front])

    def _visible(self, figure: Sequence[Layer], motion: Tensor) -> tuple[Tensor, Tensor]:
        """Flat indices where a figure's picture, drawn alone, is visible, and the picture there."""
        picture = draw_layers(torch.zeros_like(motion), figure, covers=False)
        picture.index_fill_(1, self._drawn_over, 0.0)
        (pixels,) = (picture.flatten().abs() > VISIBLE).nonzero(as_tuple=True)
        return pixels, picture.flatten()[pixels]

    def back_to_front(self) -> list[int]:
        """Return the numbers of figures, ordered by errors; unchanged where no pixel votes."""
        left, order = list(range(len(self._avoided))), []
        while left:
            sums = self._avoided[left][:, left].sum(1).tolist()
            front = max(range(len(left)), key=lambda place: (sums[place], place))
            order.append(left.pop(front))
        return order[::-1]

    def covers(self) -> list[bool]:
        """Return which figures avoid errors by covering others behind them in that order."""
        order = self.back_to_front()
        return [
            bool((self._avoided[number, order[: order.index(number)]] > 0).any())
            for number in range(len(order))
        ]
