"""Phase-correlation pursuit: the pairs of bytes that explain most of the motion in frames.

In the Fourier domain a shift is a phase, so the energy of the mean of frames that are shifted back
by a row byte and a column byte is, for all pairs at once, a few matrix products. The best pair is
taken, its mean is subtracted from all frames, and so on (matching pursuit, Mallat and Zhang 1993,
IEEE Trans. Signal Processing 41, p. 3397).
"""

import itertools
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from atarigan.models.search.positions import (
    MIN_PRESENT,
    NO_BYTE,
    Floats,
    PositionByte,
    PositionTable,
    candidates,
)

NUM_CELLS = 42
_NUM_FREQUENCIES = 16
_NUM_SCREENED = 24
_CLAMPED = 90 / 127.5
_WHITENING = 8 / 127.5
_NONE_BONUS = 1.03  # a group that one byte moves is preferred where a second byte hardly helps
_SIBLINGS = 8  # bytes, on either side
_LIKENESS = 0.3  # least cosine similarity of the means
_SIBLING_SHARE = 0.004  # of the whitened motion
_CHUNK = 256
_NUM_REFITS = 4


class Step(NamedTuple):
    """A pair of bytes and what they move.

    Attributes:
        row, column: the pair.
        present: share of frames in which the object is there.
        agreeing, expected: how much of the energy in each cell agrees, as `Pursuit._agreement`
            returns them, (rows, columns) of cells.
        mean: the mean picture at position 0, (lines, columns).
        sibling_of: the pair that moves another object of this kind and was found before, if any.
    """

    row: PositionByte
    column: PositionByte
    present: float
    agreeing: Tensor
    expected: Tensor
    mean: Floats
    sibling_of: tuple[PositionByte, PositionByte] | None


class Pursuit:
    """The state of a search on one grid: the low frequencies of what is not explained yet.

    Attributes:
        grid: (lines, columns).
        num_pixels: of a frame.
        energy: mean energy of a frame.
        best_share: share of the motion that the best next pair explains.
    """

    def __init__(
        self,
        residual: Tensor,
        states: Tensor,
        grid: tuple[int, int],
        tables: Sequence[PositionTable] = (),
    ) -> None:
        self.grid = grid
        rows, columns = residual.shape[1:]
        self.num_pixels = rows * columns
        count = _NUM_FREQUENCIES
        self._frequencies = (
            torch.cat([torch.arange(count + 1), torch.arange(-count, 0)]).float(),
            torch.arange(count + 1).float(),
        )
        self._bases = tuple(
            _waves(_centers(size, length), length, waves)
            for size, length, waves in zip((rows, columns), grid, self._frequencies, strict=True)
        )
        self._to_cells = tuple(
            _waves(_centers(min(NUM_CELLS, length), length), length, waves).conj()
            for length, waves in zip(grid, self._frequencies, strict=True)
        )
        self._to_cells = (self._to_cells[0].T, self._to_cells[1])
        self._tables = tuple(  # shifts are whole, and trigonometry is slow
            _waves(-torch.arange(length).float(), length, waves)
            for length, waves in zip(grid, self._frequencies, strict=True)
        )
        self._plain, self._white = self._spectra(residual)
        self._weights = torch.full((count + 1,), 2.0)
        self._weights[0] = 1
        self.energy = self._energy_of(self._plain).sum().item() / len(residual)
        self._white_energy = self._energy_of(self._white).sum().item() / len(residual)
        self._rows = candidates(states, 0, tables)
        self._columns = candidates(states, 1, tables)
        self._present = (~self._columns.positions.isnan()).float()
        self._num_present = self._present.mean(1).clamp(min=MIN_PRESENT)
        self._columns = self._columns._replace(positions=self._columns.positions.nan_to_num(0.0))
        self._means: dict[tuple[int, int], tuple[Tensor, Tensor]] = {}
        self._sibling_of: dict[tuple[int, int], tuple[int, int]] = {}
        self._next = self._best_pair()

    @property
    def best_share(self) -> float:
        return self._next[2] / max(self._white_energy, 1e-12)

    def take(self) -> None:
        """Take the best pair and its siblings, pairs that move objects of the same kind, and
        subtract what they explain.
        """
        row, column, _ = self._next
        self._fit(row, column)
        for sibling in self._siblings(row, column):
            self._fit(*sibling)
            self._sibling_of[sibling] = row, column
        self._next = self._best_pair()

    def _siblings(self, row: int, column: int) -> Iterator[tuple[int, int]]:
        """Yield pairs of bytes near those of a pair whose means are like that pair's: a game stores
        the positions of several objects of a kind in consecutive bytes.
        """
        of_pair = self._means[row, column][0]
        for pair in dict.fromkeys(self._near(row, column)):
            if pair in self._means:
                continue
            mean = (self._back(*pair) * self._white).mean(0) / self._num_present[pair[1]]
            energies = [float(self._energy_of(each).sum()) for each in (mean, of_pair)]
            product = float(((mean * of_pair.conj()).real * self._weights).sum())
            share = energies[0] * float(self._num_present[pair[1]]) / self._white_energy
            is_alike = product > _LIKENESS * (energies[0] * energies[1]) ** 0.5
            if is_alike and share >= _SIBLING_SHARE:
                yield pair

    def _near(self, row: int, column: int) -> Iterator[tuple[int, int]]:
        """Yield pairs whose bytes are as far from those of a pair, or from copies of them."""
        if NO_BYTE in (self._rows.names[row].byte, self._columns.names[column].byte):
            return
        copies = itertools.product(self._rows.same(row), self._columns.same(column))
        shifts = (*range(-_SIBLINGS, 0), *range(1, _SIBLINGS + 1))
        for (down, across), by in itertools.product(copies, shifts):
            near = down._replace(byte=down.byte + by), across._replace(byte=across.byte + by)
            if near[0] in self._rows.numbers and near[1] in self._columns.numbers:
                yield self._rows.numbers[near[0]], self._columns.numbers[near[1]]

    def refit(self) -> None:
        """Fit every mean to what the others leave (backfitting), as a pair that was taken early may
        have got a share of what a later one explains better.
        """
        for _ in range(_NUM_REFITS):
            for pair in self._means:
                self._fit(*pair)

    def steps(self) -> Iterator["Step"]:
        """Yield what the pairs move, in the order in which they were taken."""
        for (row, column), (_, mean) in self._means.items():
            back = self._back(row, column)
            aligned = back * self._plain + self._present[column][:, None, None] * mean
            first = self._sibling_of.get((row, column))
            yield Step(
                *self._named(row, column),
                self._num_present[column].item(),
                *self._agreement(aligned, row, column),
                self._picture(mean),
                None if first is None else self._named(*first),
            )

    def _named(self, row: int, column: int) -> tuple[PositionByte, PositionByte]:
        return self._rows.names[row], self._columns.names[column]

    def _fit(self, row: int, column: int) -> None:
        """Move to the means of a pair what frames that are shifted back have in common."""
        back = self._back(row, column)
        shape = back.shape[1:]
        means = self._means.setdefault(
            (row, column), (back.new_zeros(shape), back.new_zeros(shape))
        )
        for spectra, mean in zip((self._white, self._plain), means, strict=True):
            more = (back * spectra).mean(0) / self._num_present[column]
            spectra -= back.conj() * more
            mean += more

    def _back(self, row: int, column: int) -> Tensor:
        """What shifts the spectra of frames back; 0 for frames where the object is absent."""
        back = self._phases(0, self._rows.positions[row])[:, :, None]
        back = back * self._phases(1, self._columns.positions[column])[:, None]
        return back * self._present[column][:, None, None]

    def _agreement(self, aligned: Tensor, row: int, column: int) -> tuple[Tensor, Tensor]:
        """Where the means of frames with different shifts agree, in cells of the screen.

        Over Σ p_v p_w, summed over shifts v ≠ w with shares p, this compares <m_v, m_w> with |m_v|²
        for means m. The energy that a mean of few has by chance is taken off.

        Args:
            aligned: spectra that are shifted back.
            row, column: the candidates that moved them.

        Returns:
            The first and the second, (rows, columns) of cells, for the axis that agrees less.
        """
        down, across = self._to_cells
        cells = ((down @ (aligned * self._weights)) @ across).real.flatten(1)
        shifts = [
            each.positions[number]
            for each, number in ((self._rows, row), (self._columns, column))
            if each.names[number].byte != NO_BYTE
        ]
        found = [_agreement(cells, each) for each in shifts]
        best = min(found, key=lambda pair: float(pair[0].sum() / pair[1].sum().clamp(min=1e-12)))
        shape = down.shape[0], across.shape[1]
        return best[0].view(shape), best[1].view(shape)

    def _spectra(self, residual: Tensor) -> tuple[Tensor, Tensor]:
        """The low frequencies of frames, and of frames whose pixels are whitened, complex (N,
        rows, columns).
        """
        mean = residual.mean(0)
        scale = 1 / (
            residual.clamp(-_CLAMPED, _CLAMPED).sub(mean).square().mean(0).sqrt() + _WHITENING
        )
        scale /= scale.max()
        down, across = self._bases
        plain: list[Tensor] = []
        white: list[Tensor] = []
        for some in residual.split(_CHUNK):
            centered = some.clamp(-_CLAMPED, _CLAMPED) - mean
            for parts, images in ((plain, centered), (white, centered * scale)):
                half = images.to(torch.complex64) @ across.T
                parts.append(down @ half)
        return torch.cat(plain), torch.cat(white)

    def _energy_of(self, spectrum: Tensor) -> Tensor:
        """Energy at each frequency; all columns but the first stand for their mirror images too."""
        return spectrum.real.square().add(spectrum.imag.square()) * self._weights

    def _phases(self, axis: int, shifts: Tensor) -> Tensor:
        """What undoes shifts (...) along an axis, complex (..., frequencies)."""
        table = self._tables[axis]
        places = shifts.long() % self.grid[axis]
        found = table.index_select(1, places.flatten()).view(len(table), *shifts.shape)
        return found.movedim(0, -1)

    def _best_pair(self) -> tuple[int, int, float]:
        """Candidates of the rows and of the columns that explain most together, and how much."""
        rows, columns = self._screened()
        num = len(self._white)
        energy = torch.zeros(len(rows), len(columns))
        down = self._phases(0, self._rows.positions[rows])
        across = self._phases(1, self._columns.positions[columns])
        across = across * self._present[columns][..., None]
        for k in range(across.shape[2]):
            right = across[:, :, k].T.contiguous()
            for j in range(down.shape[2]):
                mean = (down[:, :, j] * self._white[:, j, k]) @ right / num
                energy += mean.abs().square() * self._weights[k]
        energy /= self._num_present[columns]
        energy[0] *= _NONE_BONUS
        energy[:, 0] *= _NONE_BONUS
        energy[0, 0] = 0
        best = int(energy.argmax())
        row, column = divmod(best, len(columns))
        return rows[row], columns[column], float(energy.flatten()[best])

    def _screened(self) -> tuple[list[int], list[int]]:
        """Candidates of either axis that explain most on their own, "fixed" first."""
        num = len(self._white)
        sums = [torch.zeros(2, len(each.names)) for each in (self._rows, self._columns)]
        for j, phases in enumerate(self._phases(0, self._rows.positions).unbind(2)):
            energy = self._energy_of(phases @ self._white[:, j] / num)
            sums[0] += torch.stack([energy[:, 0], energy.sum(1)])
        for k, phases in enumerate(self._phases(1, self._columns.positions).unbind(2)):
            mean = (phases * self._present) @ self._white[:, :, k] / num
            energy = mean.abs().square() * self._weights[k] / self._num_present[:, None]
            sums[1] += torch.stack([energy[:, 0], energy.sum(1)])
        picked = []
        for of_axis in sums:
            order = of_axis.argsort(1, descending=True)[:, : _NUM_SCREENED // 2]
            picked.append(sorted({0, *order.flatten().tolist()}))
        return picked[0], picked[1]

    def _picture(self, spectrum: Tensor) -> Floats:
        """The picture (lines, columns) whose low frequencies are given."""
        down, across = (
            _waves(torch.arange(length).float(), length, waves).conj()
            for length, waves in zip(self.grid, self._frequencies, strict=True)
        )
        picture = (down.T @ (spectrum * self._weights) @ across).real
        return picture.div(self.num_pixels).numpy().astype(np.float64)


def _centers(size: int, length: int) -> Tensor:
    """Centers of a frame's pixels along an axis of the grid."""
    return (torch.arange(size) + 0.5) * (length / size) - 0.5


def _waves(places: Tensor, length: int, frequencies: Tensor) -> Tensor:
    """exp(-2πi k x / length) at places x (...) for frequencies k, complex (frequencies, ...)."""
    angles = frequencies.view(-1, *[1] * places.ndim) * places * (-2 * torch.pi / length)
    return torch.polar(torch.ones(()).expand_as(angles), angles)


def _agreement(cells: Tensor, shifts: Tensor) -> tuple[Tensor, Tensor]:
    """The two sums of `Pursuit._agreement` for pictures (N, cells) with shifts (N,)."""
    values, which, counts = shifts.unique(return_inverse=True, return_counts=True)
    shares = (counts / len(cells))[:, None]
    counts = counts[:, None].float()
    zeros = cells.new_zeros(len(values), cells.shape[1])
    means = zeros.index_add(0, which, cells) / counts
    squares = zeros.index_add(0, which, cells.square()) / counts
    agreeing = cells.mean(0).square() - (shares.square() * means.square()).sum(0)
    by_chance = (squares - means.square()) / (counts - 1).clamp(min=1)
    expected = (means.square() - by_chance) * (counts > 1)
    return agreeing, (expected * shares * (1 - shares)).sum(0).clamp(min=0)
