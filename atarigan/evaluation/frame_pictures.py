"""Pictures of an evaluation of frames: samples next to real ones, and histograms."""

from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.evaluator import EvaluatedSamples
from atarigan.evaluation.metrics.neighbors import nearest
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.images.subset import drawn, evenly_spaced
from atarigan.pictures import charts, grids
from atarigan.pictures.page import Page

NUM_SHOWN = 24
NUM_COLUMNS = 6
NUM_PAIRS = 12
NUM_STRIPS = 4
_RANKED = {
    "nearest to real frames": (0.0, 0.1),
    "typical": (0.45, 0.55),
    "farthest from real frames": (1.0, 0.9),
}
_MAX_FOR_DISTANCES = 2000
_CHANGES = {
    "pixels_changed": "pixels that change in a step",
    "pixels_returned": "pixels that change and change back",
}
_COUNTS = {"num_objects": "objects per frame", "num_small": "small objects per frame"}


def show_frames(page: Page, evaluated: EvaluatedSamples, frame_format: FrameFormat) -> None:
    """Show samples next to real ones, nearest neighbors, the best, typical and worst samples, a map
    of pixel distances, and histograms.
    """
    samples, evaluator = evaluated.samples, evaluated.evaluator
    to_rgb = frame_format.to_rgb
    scale = grids.scale_for(frame_format.height, frame_format.width, target=84)

    def grid(frames: Frames, columns: int = 0) -> Frames:
        return grids.grid(to_rgb(frames), columns, scale)

    page.picture(
        "Real and generated",
        grids.side_by_side(
            grid(evaluator.real[evenly_spaced(len(evaluator.real), NUM_SHOWN)], NUM_COLUMNS),
            grid(samples[drawn(len(samples), NUM_SHOWN)], NUM_COLUMNS),
            ("real", "generated"),
        ),
    )
    found = nearest(evaluated.descriptors["features"], evaluator.reference["features"])
    shown = drawn(len(samples), NUM_PAIRS)
    pairs = [samples[shown], evaluator.real[found.indices[shown]]]
    page.picture(
        "Nearest real frames",
        grid(np.concatenate(pairs), NUM_PAIRS),
        "First row: generated. Second row: the real frame with the nearest features.",
    )
    rows = [
        grids.titled(grid(samples[which], NUM_PAIRS), title)
        for title, which in ranked_examples(evaluated, found.distances).items()
    ]
    page.picture(
        "Best, typical and worst",
        np.concatenate(rows),
        "Samples from three tenths by distance to the nearest real frame: those in a tenth that "
        "differ most from one another.",
    )
    page.picture(
        "Pixel distances",
        charts.heat_map(value_distances(samples, evaluator.real), "levels"),
        "Wasserstein distance between the real and the generated values of each pixel.",
    )
    page.picture("Histograms", charts.histograms(_histogram_panels(evaluated, found.distances)))


def ranked_examples(
    evaluated: EvaluatedSamples, distances: npt.NDArray[np.float64]
) -> dict[str, npt.NDArray[np.int64]]:
    """Choose samples from the nearest, the middle and the farthest tenth by distance to the nearest
    real frame. Of each tenth, choose those that differ most from one another: a frequent screen,
    such as the start of a game, would otherwise fill it.

    Returns:
        indices of at most 12 samples each, by title.
    """
    order = np.argsort(distances, kind="stable")
    features = evaluated.descriptors["features"]
    chosen = {}
    for title, (start, end) in _RANKED.items():
        first, last = (round(share * len(order)) for share in (start, end))
        tenth = order[first:last] if first < last else order[last:first][::-1]
        if len(tenth) == 0:
            tenth = order[min(first, len(order) - 1) :][:1]
        chosen[title] = tenth[most_different(features[tenth], NUM_PAIRS)]
    return chosen


def most_different(features: npt.NDArray[np.float64], num: int) -> npt.NDArray[np.int64]:
    """Return at most `num` indices of features (N, F): the first one, then in turn the one farthest
    from those before it, as long as it differs from them (Gonzalez 1985).
    """
    chosen = [0]
    apart = np.linalg.norm(features - features[0], axis=1)
    while len(chosen) < num and apart.max() > 0:
        chosen.append(int(apart.argmax()))
        apart = np.minimum(apart, np.linalg.norm(features - features[chosen[-1]], axis=1))
    return np.array(chosen)


def show_pairs(page: Page, frames: Frames, true: Frames, frame_format: FrameFormat) -> None:
    """Show generated frames below the real frames of the same states: evenly spaced ones, and those
    with the most wrong pixels.
    """
    num_wrong = (frames != true).any(-1).sum((1, 2))
    worst = np.argsort(-num_wrong, kind="stable")[:NUM_PAIRS]
    scale = grids.scale_for(frame_format.height, frame_format.width, target=84)
    rows = []
    for title, chosen in (
        ("evenly spaced", evenly_spaced(len(frames), NUM_PAIRS)),
        ("worst", worst),
    ):
        both = frame_format.to_rgb(np.concatenate([true[chosen], frames[chosen]]))
        rows.append(grids.titled(grids.grid(both, len(chosen), scale), title))
    note = "First rows: real. Second rows: generated from the same state."
    page.picture("Frames of the same states", np.concatenate(rows), note)


def show_motion(page: Page, motion: EvaluatedSamples, frame_format: FrameFormat) -> None:
    """Show real and generated stacks, one per row, and histograms of their motion."""
    evaluator = motion.evaluator
    scale = grids.scale_for(frame_format.height, frame_format.width, target=168)

    def strips(stacks: Frames, title: str) -> Frames:
        frames = stacks[evenly_spaced(len(stacks), NUM_STRIPS)].reshape(-1, *stacks.shape[2:])
        grid = grids.grid(frame_format.to_rgb(frames), stacks.shape[1], scale)
        return grids.titled(grid, title)

    page.picture(
        "Consecutive frames",
        np.concatenate([strips(evaluator.real, "real"), strips(motion.samples, "generated")]),
        "One stack per row, oldest frame first.",
    )
    both = evaluator.reference, motion.descriptors
    panels = {
        title: tuple(np.log2(1 + each[name].ravel()) for each in both)
        for name, title in _CHANGES.items()
        if name in motion.descriptors
    }
    panels["moves of small objects"] = tuple(
        np.repeat(np.arange(each["small_moves"].shape[1]), each["small_moves"].sum(0))
        for each in both
    )
    page.picture(
        "Histograms of motion",
        charts.histograms(panels),
        "Pixels on a log2 scale: 5 means 31 pixels. Moves in units of 1/84 of the shorter side; "
        "the last bar counts small objects that are gone.",
    )


def value_distances(samples: Frames, real: Frames) -> npt.NDArray[np.float64]:
    """Compute the 1-Wasserstein distance of each pixel's values, averaged over channels, float64
    (H, W).

    It is the mean difference of the sorted values (Peyré and Cuturi 2019, remark 2.28). Larger sets
    are cut to 2,000 frames, drawn at random.
    """
    num = min(len(samples), len(real), _MAX_FOR_DISTANCES)
    first, second = (
        np.sort(frames[drawn(len(frames), num)], axis=0).astype(np.int16)
        for frames in (samples, real)
    )
    distances: npt.NDArray[np.float64] = np.abs(first - second).mean(axis=(0, 3))
    return distances


def _histogram_panels(
    evaluated: EvaluatedSamples, distances: npt.NDArray[np.float64]
) -> dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Return real and generated values by title: distances to the nearest real frame, object
    counts, object pixels, and classes.
    """
    evaluator, generated = evaluated.evaluator, evaluated.descriptors
    real = evaluator.reference
    others = nearest(evaluator.held_out["features"], real["features"])
    panels = {"distance to the nearest real frame": (others.distances, distances)}
    for name, title in _COUNTS.items():
        if name in generated:
            panels[title] = (real[name], generated[name])
    if "object_colors" in generated:
        panels["object pixels per frame"] = tuple(
            each["object_colors"].sum(1) for each in (real, generated)
        )
    if "probabilities" in generated:
        panels["most probable class"] = tuple(
            each["probabilities"].argmax(1) for each in (real, generated)
        )
    return panels
