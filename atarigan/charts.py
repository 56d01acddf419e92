"""Charts of a training run."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from atarigan.pixels import Frames

Column = npt.NDArray[np.float64]
_SMOOTHED_SHARE = 0.02


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
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(10, 3 * len(panels)), dpi=90, layout="constrained")
    canvas = FigureCanvasAgg(figure)
    for axes, (title, lines) in zip(
        np.atleast_1d(figure.subplots(len(panels), 1, sharex=True)), panels.items(), strict=True
    ):
        for number, (name, values) in enumerate(lines.items()):
            color = f"C{number}"
            axes.plot(x, values, color=color, alpha=0.25, linewidth=0.8)
            axes.plot(x, smoothed(values), color=color, linewidth=1.6, label=name)
        axes.set_title(title, loc="left", fontsize=11)
        axes.grid(alpha=0.25)
        axes.legend(loc="center left", bbox_to_anchor=(1.0, 0.5), frameon=False)
        axes.spines[["top", "right"]].set_visible(False)
    axes.set_xlabel(x_label)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    canvas.draw()
    return np.asarray(canvas.buffer_rgba())[..., :3].copy()


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
