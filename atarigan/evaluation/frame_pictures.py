"""Pictures of an evaluation: samples beside real ones, and how they move."""

from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.evaluation.evaluator import EvaluatedSamples
from atarigan.evaluation.metrics.neighbors import nearest
from atarigan.images.pixels import FrameFormat, Frames
from atarigan.pictures import charts, grids
from atarigan.pictures.page import Page
from atarigan.subset import evenly_spaced

NUM_SHOWN = 24
NUM_COLUMNS = 6
NUM_PAIRS = 12
NUM_STRIPS = 4
_MOST_MAPPED = 2000
_CHANGES = {
    "pixels_changed": "pixels that change in a step",
    "pixels_returned": "pixels that change and change back",
}
_COUNTED = {"num_objects": "objects a frame", "num_small": "small objects a frame"}


def show_frames(page: Page, judged: EvaluatedSamples, frame_format: FrameFormat) -> None:
    """Samples beside real ones: the nearest, the best and the worst, where values go wrong, and
    histograms.
    """
    samples, judge = judged.samples, judged.judge
    described, to_rgb = judged.described, frame_format.to_rgb
    scale = grids.scale_for(frame_format.height, frame_format.width, target=84)

    def grid(frames: Frames, columns: int = 0) -> Frames:
        return grids.grid(to_rgb(frames), columns, scale)

    page.picture(
        "Real beside generated",
        grids.beside(
            grid(judge.real[evenly_spaced(len(judge.real), NUM_SHOWN)], NUM_COLUMNS),
            grid(samples[:NUM_SHOWN], NUM_COLUMNS),
            ("real", "generated"),
        ),
    )
    found = nearest(described["features"], judge.reference["features"])
    pairs = [samples[:NUM_PAIRS], judge.real[found.indices[:NUM_PAIRS]]]
    page.picture(
        "Nearest real ones",
        grid(np.concatenate(pairs), NUM_PAIRS),
        "First row: generated. Second row: the real one whose features are nearest.",
    )
    order = np.argsort(found.distances, kind="stable")
    page.picture(
        "Best and worst",
        grids.beside(
            grid(samples[order[:NUM_PAIRS]]),
            grid(samples[order[::-1][:NUM_PAIRS]]),
            ("nearest to a real one", "farthest from any real one"),
        ),
    )
    page.picture(
        "Where values go wrong",
        charts.heat_map(value_distances(samples, judge.real), "levels"),
        "Wasserstein distance of each pixel's values, real against generated.",
    )
    page.picture("Histograms", charts.histograms(_histogram_panels(judged, found.distances)))


def show_pairs(page: Page, frames: Frames, true: Frames, frame_format: FrameFormat) -> None:
    """Generated frames below the true ones of the same states: any, and those with the most wrong
    pixels.
    """
    num_wrong = (frames != true).any(-1).sum((1, 2))
    worst = np.argsort(-num_wrong, kind="stable")[:NUM_PAIRS]
    scale = grids.scale_for(frame_format.height, frame_format.width, target=84)
    rows = []
    for title, chosen in (("any", evenly_spaced(len(frames), NUM_PAIRS)), ("the worst", worst)):
        both = frame_format.to_rgb(np.concatenate([true[chosen], frames[chosen]]))
        rows.append(grids.titled(grids.grid(both, len(chosen), scale), title))
    note = "First rows: true. Second rows: generated of the same states of the console's memory."
    page.picture("Of the same states", np.concatenate(rows), note)


def show_motion(page: Page, motion: EvaluatedSamples, frame_format: FrameFormat) -> None:
    """Stacks beside real ones, a row each, and histograms of what moves."""
    real, described = motion.judge.real, motion.described
    scale = grids.scale_for(frame_format.height, frame_format.width, target=168)

    def strips(stacks: Frames, title: str) -> Frames:
        frames = stacks[evenly_spaced(len(stacks), NUM_STRIPS)].reshape(-1, *stacks.shape[2:])
        grid = grids.grid(frame_format.to_rgb(frames), stacks.shape[1], scale)
        return grids.titled(grid, title)

    page.picture(
        "Frames that follow one another",
        np.concatenate([strips(real, "real"), strips(motion.samples, "generated")]),
        "A stack a row, the oldest frame first.",
    )
    reference = motion.judge.reference
    panels = {
        title: tuple(np.log2(1 + each[name].ravel()) for each in (reference, described))
        for name, title in _CHANGES.items()
        if name in described
    }
    panels["small objects go so many steps"] = tuple(
        np.repeat(np.arange(each["small_moves"].shape[1]), each["small_moves"].sum(0))
        for each in (reference, described)
    )
    page.picture(
        "Histograms of motion",
        charts.histograms(panels),
        "Pixels in doublings: 5 means 31 pixels. Small objects in steps of an eighty-fourth of the "
        "shorter side, the last bar those that are gone.",
    )


def value_distances(samples: Frames, real: Frames) -> npt.NDArray[np.float64]:
    """1-Wasserstein distance of each pixel's values, averaged over channels, float64 (H, W).

    Of equally many values it is the mean difference of the sorted ones (Peyré and Cuturi 2019,
    remark 2.28). Of larger sets 2,000 evenly picked ones are looked at.
    """
    num = min(len(samples), len(real), _MOST_MAPPED)
    first, second = (
        np.sort(frames[evenly_spaced(len(frames), num)], axis=0).astype(np.int16)
        for frames in (samples, real)
    )
    distances: npt.NDArray[np.float64] = np.abs(first - second).mean(axis=(0, 3))
    return distances


def _histogram_panels(
    judged: EvaluatedSamples, distances: npt.NDArray[np.float64]
) -> dict[str, tuple[npt.NDArray[Any], npt.NDArray[Any]]]:
    """Distances to the nearest real sample, and what else is counted a sample."""
    judge, described = judged.judge, judged.described
    others = nearest(judge.stand_in["features"], judge.reference["features"])
    panels = {"distance to the nearest real one": (others.distances, distances)}
    for name, title in _COUNTED.items():
        if name in described:
            panels[title] = (judge.reference[name], described[name])
    if "object_colors" in described:
        panels["pixels of objects a frame"] = (
            judge.reference["object_colors"].sum(1),
            described["object_colors"].sum(1),
        )
    if "probabilities" in described:
        panels["most probable class"] = (
            judge.reference["probabilities"].argmax(1),
            described["probabilities"].argmax(1),
        )
    return panels
