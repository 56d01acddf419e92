"""Charts: curves of a run, histograms, heat maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.images.pixels import Frames

Column = npt.NDArray[np.float64]
_SMOOTHED_SHARE = 0.02
_MOST_BINS = 60
_NEARLY_ALL = 0.995


def curves(
    x: Column, panels: Mapping[str, Mapping[str, Column]], x_label: str = "images"
) -> Frames:
    """Lines over a common axis, raw ones faint behind smoothed ones, as an RGB picture.

    Args:
        x: (N,), what all curves are drawn against.
        panels: title to curves (N,) by name; a panel each, one below the other. What is not finite
            is left out.
        x_label: what x is.
    """
    figure = _figure((10, 3 * len(panels)), 90)
    for axes, (title, lines) in zip(
        np.atleast_1d(figure.subplots(len(panels), 1, sharex=True)), panels.items(), strict=True
    ):
        for number, (name, values) in enumerate(lines.items()):
            color = f"C{number}"
            axes.plot(x, values, color=color, alpha=0.25, linewidth=0.8)
            axes.plot(x, smoothed(values), color=color, linewidth=1.6, label=name)
        axes.set_title(title, loc="left", fontsize=11)
        _dress(axes)
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    return _drawn(figure)


def growth(
    lines: Mapping[str, tuple[Column, Column]],
    levels: Mapping[str, float],
    x_label: str,
    y_label: str,
) -> Frames:
    """How something grows: lines through points (N,), (N,) by name, and dashed levels to compare
    with, on logarithmic axes, as an RGB picture.
    """
    figure = _figure((9, 4.5), 100)
    axes = figure.add_subplot()
    for number, (name, (x, y)) in enumerate(lines.items()):
        axes.plot(x, y, color=f"C{number}", marker="o", markersize=4, label=name)
    for number, (name, level) in enumerate(levels.items()):
        axes.axhline(level, color="0.3", linestyle=("--", ":", "-.")[number % 3], label=name)
    axes.set_xscale("log", base=2)
    axes.set_yscale("log")
    for axis in (axes.xaxis, axes.yaxis):
        axis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    _dress(axes)
    return _drawn(figure)


def histograms(panels: Mapping[str, tuple[Column, Column]]) -> Frames:
    """Real values, filled, and generated ones, as a line, (N,) and (M,), on the same bins, a panel
    each by title, three in a row, as an RGB picture. What lies farther out than nearly all of both
    is counted at the end. Panels without any values are left out.
    """
    panels = {title: both for title, both in panels.items() if any(map(len, both))}
    num_columns = min(3, len(panels))
    num_rows = -(-len(panels) // num_columns)
    figure = _figure((4.2 * num_columns, 2.6 * num_rows), 80)
    grid = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes, (title, both) in zip(grid, panels.items(), strict=False):
        ends = (np.quantile(each, _NEARLY_ALL, method="higher") for each in both if len(each))
        most = max(ends)
        real, generated = (np.minimum(values, most) for values in both)
        bins = common_bins(real, generated)
        shares = [np.full(len(values), 100 / max(1, len(values))) for values in (real, generated)]
        axes.hist(real, bins, weights=shares[0], color="0.8", label="real")
        axes.hist(
            generated, bins, weights=shares[1], color="C3", histtype="step", label="generated"
        )
        if is_whole(real) and is_whole(generated):
            axes.xaxis.get_major_locator().set_params(integer=True)
        axes.set_title(title, loc="left", fontsize=10)
        axes.set_ylabel("%")
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[len(panels) :]:
        axes.set_visible(False)
    grid[0].legend(frameon=False, fontsize=9)
    return _drawn(figure)


def common_bins(first: Column, second: Column) -> Column:
    """Bins over both: one a number for whole numbers of a range up to 60, otherwise 40."""
    values = np.concatenate([first, second]).astype(np.float64)
    low, high = values.min(), values.max()
    if high - low <= _MOST_BINS and is_whole(values):
        return np.arange(low - 0.5, high + 1)
    return np.linspace(low, high if high > low else low + 1, 41)


def is_whole(values: Column) -> bool:
    """Whether all values are whole numbers."""
    return bool((values == np.rint(values)).all())


def heat_map(values: npt.NDArray[np.float64], label: str) -> Frames:
    """Values (H, W) in color over their place, beside their scale, as an RGB picture."""
    height, width = values.shape
    figure = _figure((4 * width / height + 1.6, 4), 100)
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="magma", interpolation="nearest", vmin=0)
    figure.colorbar(image, ax=axes, label=label)
    axes.set_axis_off()
    return _drawn(figure)


def smoothed(values: Sequence[float] | Column) -> Column:
    """The mean of each value's neighborhood, a fiftieth of the curve wide, without what is not
    finite.
    """
    array = np.asarray(values, np.float64)
    width = max(1, round(_SMOOTHED_SHARE * len(array)))
    window = np.ones(2 * (width // 2) + 1)
    known = np.isfinite(array)
    total = np.convolve(np.where(known, array, 0.0), window, mode="same")
    count = np.convolve(known.astype(float), window, mode="same")
    means: Column = np.divide(total, count, out=np.full(len(array), np.nan), where=count > 0.5)
    return means


def _figure(size: tuple[float, float], dots_per_inch: int) -> Any:
    """An empty figure of a size in inches, on a canvas in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dots_per_inch, layout="constrained")
    FigureCanvasAgg(figure)  # which the figure keeps
    return figure


def _dress(axes: Any) -> None:
    """A grid, and a legend beside it."""
    axes.grid(alpha=0.25, which="both")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _drawn(figure: Any) -> Frames:
    """A figure as an RGB picture uint8 (H, W, 3)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
