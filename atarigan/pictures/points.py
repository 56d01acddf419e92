"""Pictures of points in the plane, with the output of a critic."""

from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.images.pixels import Frames

Points = npt.NDArray[np.float32]
X_LIMITS, Y_LIMITS = (-1.5, 1.5), (-2.0, 2.0)
WIDE, SQUARE = (16.0, 5.0), (8.0, 8.0)
FIELD_SHAPE = (40, 60)
_DOTS_PER_INCH = 60
_DATA, _REAL, _FAKE = "tab:orange", "tab:green", "tab:red"


class PointCanvas:
    """Axes with real points, on which generated points can be drawn repeatedly.

    Args:
        real: real points float (N, 2), drawn in faint orange; may be empty.
        size: size of the picture in inches: `WIDE`, as in published animations, or `SQUARE`, with
            equal scales of both axes.
    """

    def __init__(self, real: Points, size: tuple[float, float] = WIDE) -> None:
        from matplotlib.backends.backend_agg import FigureCanvasAgg
        from matplotlib.figure import Figure

        y_limits = Y_LIMITS if size == WIDE else X_LIMITS
        figure = Figure(figsize=size, dpi=_DOTS_PER_INCH, layout="constrained")
        self._canvas = FigureCanvasAgg(figure)
        axes: Any = figure.add_subplot(xlim=X_LIMITS, ylim=y_limits, xlabel="x", ylabel="y")
        self._limits = (*X_LIMITS, *y_limits)
        self._field = axes.imshow(
            np.zeros(FIELD_SHAPE),
            extent=self._limits,
            origin="lower",
            aspect="auto",
            cmap="RdYlGn",
            vmin=-2,  # beyond ±1, so that the colors are soft
            vmax=2,
            alpha=0.5,
            interpolation="bilinear",
            visible=False,
        )
        axes.scatter(real[:, 0], real[:, 1], s=12, color=_DATA, alpha=0.04, linewidths=0)
        self._points = axes.scatter([], [], s=9, linewidths=0)
        self._text = axes.text(
            0.01, 0.97, "", transform=axes.transAxes, va="top", family="monospace", fontsize=14
        )

    def field_points(self) -> Points:
        """Return the points of the field of `draw`, row by row from below, float32 (rows × columns,
        2).
        """
        left, right, bottom, top = self._limits
        rows, columns = FIELD_SHAPE
        x, y = np.linspace(left, right, columns), np.linspace(bottom, top, rows)
        return np.stack(np.meshgrid(x, y), axis=-1).reshape(-1, 2).astype(np.float32)

    def draw(
        self,
        points: Points,
        looks_real: npt.NDArray[np.bool_] | None = None,
        field: npt.NDArray[np.floating] | None = None,
        text: str = "",
    ) -> Frames:
        """Draw one RGB picture, uint8 (H, W, 3).

        Args:
            points: generated points, (N, 2).
            looks_real: which points the critic classifies as real, (N,); these are green, the
                others red. None makes all green.
            field: the critic's outputs at `field_points` minus its threshold; green above zero, red
                below, scaled by the largest magnitude. None draws no field.
            text: text in the upper left corner.
        """
        self._points.set_offsets(points)
        fooled = np.ones(len(points), bool) if looks_real is None else looks_real
        self._points.set_color([_REAL if each else _FAKE for each in fooled])
        self._field.set_visible(field is not None)
        if field is not None:
            strongest = max(float(np.abs(field).max()), 1e-12)
            self._field.set_data(field.reshape(FIELD_SHAPE) / strongest)
        self._text.set_text(text)
        self._canvas.draw()
        return np.asarray(self._canvas.buffer_rgba())[..., :3].copy()


def scatter(points: Points) -> Frames:
    """Draw points (N, 2) alone, as an RGB picture."""
    return PointCanvas(np.empty((0, 2), np.float32), SQUARE).draw(points)
