"""Charts: curves, histograms, heat maps."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.images.pixels import Frames

Column = npt.NDArray[np.float64]
_SMOOTHED_SHARE = 0.02
_MAX_INTEGER_BINS = 60
_CLIP_QUANTILE = 0.995


def curves(
    x: Column, panels: Mapping[str, Mapping[str, Column]], x_label: str = "images"
) -> Frames:
    """Draw smoothed curves over a common x axis, with the raw curves faint behind them.

    Args:
        x: x coordinates of all curves, (N,).
        panels: curves (N,) by name, by panel title; panels are stacked vertically. Values that are
            not finite are left out.
        x_label: label of the x axis.

    Returns:
        RGB picture, uint8 (H, W, 3).
    """
    height = 3 * len(panels)  # inches
    figure = _figure((10, height), 90)
    figure.set_layout_engine("none")  # finding margins takes as long as drawing
    margins = {"left": 0.08, "right": 0.78, "bottom": 0.6 / height, "top": 1 - 0.4 / height}
    grid = figure.subplots(len(panels), 1, sharex=True, gridspec_kw=margins | {"hspace": 0.25})
    for axes, (title, lines) in zip(np.atleast_1d(grid), panels.items(), strict=True):
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
    """Draw lines on logarithmic axes, with dashed horizontal lines to compare with.

    Args:
        lines: x and y coordinates, (N,) each, by name.
        levels: y values of the horizontal lines, by name.
        x_label: label of the x axis.
        y_label: label of the y axis.

    Returns:
        RGB picture, uint8 (H, W, 3).
    """
    from matplotlib.ticker import LogFormatter

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
    axes.yaxis.set_minor_formatter(LogFormatter())  # which labels few, where there is room
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    _dress(axes)
    return _drawn(figure)


def histograms(panels: Mapping[str, tuple[Column, Column]]) -> Frames:
    """Draw histograms of real values, filled, and of generated values, as a line, in common bins.

    Args:
        panels: real values (N,) and generated values (M,) by panel title; three panels in a row.
            Values above both 99.5 % quantiles count in the last bin. Panels without values are
            left out.

    Returns:
        RGB picture, uint8 (H, W, 3).
    """
    panels = {title: both for title, both in panels.items() if any(map(len, both))}
    num_columns = min(3, len(panels))
    num_rows = -(-len(panels) // num_columns)
    figure = _figure((4.2 * num_columns, 2.6 * num_rows), 80)
    grid = figure.subplots(num_rows, num_columns, squeeze=False).ravel()
    for axes, (title, both) in zip(grid, panels.items(), strict=False):
        ends = (np.quantile(each, _CLIP_QUANTILE, method="higher") for each in both if len(each))
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


def survival(lengths: Column, shares: Column, x_label: str, y_label: str) -> Frames:
    """Draw the share that survives a length, which falls in steps from 1 at length 0.

    Args:
        lengths: ascending, (N,).
        shares: shares that survive each length, from 0 to 1, (N,).
        x_label: label of the x axis.
        y_label: label of the y axis.

    Returns:
        RGB picture, uint8 (H, W, 3).
    """
    figure = _figure((9, 3.6), 100)
    axes = figure.add_subplot()
    x, y = np.concatenate([[0.0], lengths]), np.concatenate([[1.0], shares])
    axes.step(x, y, where="post", color="C3", linewidth=1.8)
    axes.axhline(0.5, color="0.3", linestyle="--", linewidth=1)
    axes.set_ylim(0, 1.03)
    axes.set_xlim(0, max(1.0, float(x[-1])))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    axes.grid(alpha=0.25)
    axes.spines[["top", "right"]].set_visible(False)
    return _drawn(figure)


def trajectories(
    panels: Sequence[tuple[str, Column, Column]], x_label: str, names: tuple[str, str]
) -> Frames:
    """Draw pairs of lines over time, each pair in a panel; two panels in a row.

    Args:
        panels: title, first and second line (T,) of each panel; at least one.
        x_label: label of the x axis.
        names: of the first and the second lines.

    Returns:
        RGB picture, uint8 (H, W, 3).
    """
    num_rows = -(-len(panels) // 2)
    figure = _figure((10, 2.1 * num_rows), 80)
    grid = figure.subplots(num_rows, 2, squeeze=False).ravel()
    for axes, (title, first, second) in zip(grid, panels, strict=False):
        axes.plot(first, color="0.2", linewidth=2.2, label=names[0])
        axes.plot(second, color="C3", linewidth=1.2, linestyle="--", label=names[1])
        axes.set_title(title, loc="left", fontsize=10)
        axes.grid(alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    for axes in grid[max(0, len(panels) - 2) : len(panels)]:
        axes.set_xlabel(x_label)
    for axes in grid[len(panels) :]:
        axes.remove()
    grid[0].legend(frameon=False, fontsize=9)
    return _drawn(figure)


def agreement(points: Mapping[str, tuple[Column, Column]], x_label: str, y_label: str) -> Frames:
    """Draw means of two samples against each other, with standard errors, and the line y = x.

    Args:
        points: samples (N,) and (M,) by name; each pair is a point.
        x_label: label of the x axis.
        y_label: label of the y axis.

    Returns:
        RGB picture, uint8 (H, W, 3).
    """
    figure = _figure((8, 5.2), 100)
    axes = figure.add_subplot()
    for number, (name, (first, second)) in enumerate(points.items()):
        error_x, error_y = (
            float(np.std(each)) / np.sqrt(max(1, len(each) - 1)) for each in (first, second)
        )
        marker = "os^"[number // 10 % 3]
        axes.errorbar(
            np.mean(first), np.mean(second), error_y, error_x,
            color=f"C{number % 10}", marker=marker, markersize=6, linestyle="none", label=name,
        )  # fmt: skip
    axes.axline((0, 0), slope=1, color="0.3", linestyle="--", linewidth=1)
    axes.set_xlabel(x_label)
    axes.set_ylabel(y_label)
    _dress(axes)
    return _drawn(figure)


def common_bins(first: Column, second: Column) -> Column:
    """Return bin edges for both: one bin per integer for integers of a range up to 60, otherwise 40
    bins.
    """
    values = np.concatenate([first, second]).astype(np.float64)
    low, high = values.min(), values.max()
    if high - low <= _MAX_INTEGER_BINS and is_whole(values):
        return np.arange(low - 0.5, high + 1)
    return np.linspace(low, high if high > low else low + 1, 41)


def is_whole(values: Column) -> bool:
    """Return whether all values are whole numbers."""
    return bool((values == np.rint(values)).all())


def heat_map(values: npt.NDArray[np.float64], label: str) -> Frames:
    """Draw values (H, W) as colors with a labeled color bar, as an RGB picture."""
    height, width = values.shape
    figure = _figure((4 * width / height + 1.6, 4), 100)
    axes = figure.add_subplot()
    image = axes.imshow(values, cmap="magma", interpolation="nearest", vmin=0)
    figure.colorbar(image, ax=axes, label=label)
    axes.set_axis_off()
    return _drawn(figure)


def smoothed(values: Sequence[float] | Column) -> Column:
    """Smooth values (N,) by a moving average over 2 % of the curve, ignoring values that are not
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
    """Return an empty figure of a size in inches, on a canvas in memory."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, dpi=dots_per_inch, layout="constrained")
    FigureCanvasAgg(figure)  # the figure keeps a reference
    return figure


def _dress(axes: Any) -> None:
    """Add grid lines, and a legend to the right."""
    axes.grid(alpha=0.25, which="both")
    axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
    axes.spines[["top", "right"]].set_visible(False)


def _drawn(figure: Any) -> Frames:
    """Render a figure as an RGB picture uint8 (H, W, 3)."""
    figure.canvas.draw()
    return np.asarray(figure.canvas.buffer_rgba())[..., :3].copy()
