"""A scorecard: every measurement that fits a source, each beside what real samples score."""

from collections.abc import Callable, Iterable, Mapping
from statistics import median
from typing import Any, Literal, TypedDict

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.metrics import points as point_metrics
from atarigan.metrics.manifold import manifold_of
from atarigan.pixels import Frames
from atarigan.registry import did_you_mean
from atarigan.run_config import RunConfig
from atarigan.sources.labeled import LABELED, open_split
from atarigan.sources.points import Distribution, NoisySine, Points, grid, ring, spiral

Better = Literal["lower", "higher"]
EXTRACTORS = {name: f"{name}-features-v1" for name in LABELED}
DISTRIBUTIONS: dict[str, Callable[[], Distribution]] = {
    "sine": NoisySine,
    "ring": ring,
    "grid": grid,
    "spiral": spiral,
}
NUM_POINT_REPEATS = 5
NUM_IMAGE_REPEATS = 3


class Score(TypedDict):
    """One measurement.

    Attributes:
        value: of the samples; the median over several halvings of the real data.
        floor: what as many real samples score in the samples' place: the best one can expect.
        better: whether "lower" or "higher" values are better.
    """

    value: float
    floor: float
    better: Better


def scorecard(
    samples: npt.NDArray[Any], source: str, data: str | None = None, seed: int = 0
) -> dict[str, Score]:
    """All that can be measured of samples of a source, by name.

    Args:
        samples: points float (N, 2), or frames uint8 (N, H, W, C), as `FrameGenerator` gives them.
        source: what they were learned from: a source of points, mnist, fashion-mnist or cifar10.
        data: the source's folder; None looks where training does.
        seed: of the halvings.

    Raises:
        InputError: the source has no measurements yet, its data is missing, or the samples do not
            fit it.
    """
    if source in LABELED:
        images = open_split(RunConfig(source=source, data=data), "train").images
        return score_images(samples, images, EXTRACTORS[source], seed)
    if source not in DISTRIBUTIONS:
        hint = did_you_mean(source, [*LABELED, *DISTRIBUTIONS])
        raise InputError(f"there are no measurements for source {source!r}: {hint}")
    return score_points(samples, DISTRIBUTIONS[source](), seed)


def score_points(samples: Points, distribution: Distribution, seed: int = 0) -> dict[str, Score]:
    """Measurements of points (N, 2) of a known distribution.

    A draw of 2N points is halved at random; one half is what the samples are compared with, the
    other stands in their place for the floor. Every number is the median of five such draws.

    Returns:
        sliced_wasserstein, energy_distance, maximum_mean_discrepancy, coverage, on_manifold.

    Raises:
        InputError: there are no points, some are not finite, or the distribution's manifold is not
            known.
    """
    manifold = manifold_of(distribution)
    num = len(samples)

    def measured(points: Points, reference: Points) -> dict[str, float]:
        return {
            "sliced_wasserstein": point_metrics.sliced_wasserstein(points, reference),
            "energy_distance": point_metrics.energy_distance(points, reference),
            "maximum_mean_discrepancy": point_metrics.maximum_mean_discrepancy(points, reference),
            "coverage": point_metrics.coverage(points, manifold),
            "on_manifold": point_metrics.on_manifold(points, manifold),
        }

    def halves() -> Iterable[tuple[Points, Points]]:
        for repeat in range(NUM_POINT_REPEATS):
            drawn = distribution.draw(2 * num, seed=seed + repeat)
            # Some distributions draw in order.
            np.random.default_rng([seed, repeat]).shuffle(drawn)
            yield drawn[:num], drawn[num:]

    return _scores(samples, halves(), measured, higher=("coverage", "on_manifold"))


def score_images(
    samples: Frames, images: Frames, extractor_name: str, seed: int = 0
) -> dict[str, Score]:
    """Measurements of frames in the features of an extractor.

    The real images are put in a random order; the first are what the samples are compared with, as
    many others stand in the samples' place for the floor. Samples and real images are equally many:
    as many as there are samples, or half of the images if those are fewer. Every number is the
    median of three such orders. The extractor was trained on these images: real ones that it has
    not seen score a little worse than the floor, most of all where it saw few.

    Args:
        samples: uint8 (N, H, W, C), N at least 2.
        images: real ones, uint8 (M, H, W, C), M at least 4.
        extractor_name: as `Extractor.load` takes it.
        seed: of the orders.

    Returns:
        frechet_distance, kernel_distance, class_entropy, mean_confidence.

    Raises:
        InputError: there are too few samples or images, or they do not fit the extractor.
    """
    from atarigan.metrics import images as image_metrics
    from atarigan.metrics.extractor import Extracted, Extractor, extract

    num = min(len(samples), len(images) // 2)
    if num < 2:
        raise InputError(
            f"measurements need at least 2 samples and 4 real images, "
            f"not {len(samples)} and {len(images)}"
        )
    extractor = Extractor.load(extractor_name)

    def measured(found: Extracted, reference: Extracted) -> dict[str, float]:
        return {
            "frechet_distance": image_metrics.frechet_distance(found.features, reference.features),
            "kernel_distance": image_metrics.kernel_distance(found.features, reference.features),
            "class_entropy": image_metrics.class_entropy(found.probabilities),
            "mean_confidence": image_metrics.mean_confidence(found.probabilities),
        }

    def halves() -> Iterable[tuple[Extracted, Extracted]]:
        for repeat in range(NUM_IMAGE_REPEATS):
            order = np.random.default_rng([seed, repeat]).permutation(len(images))
            yield (
                extract(extractor, images[order[:num]]),
                extract(extractor, images[order[num : 2 * num]]),
            )

    found = extract(extractor, samples[:num])
    return _scores(found, halves(), measured, higher=("class_entropy", "mean_confidence"))


def _scores(
    samples: Any,
    halves: Iterable[tuple[Any, Any]],
    measured: Callable[[Any, Any], Mapping[str, float]],
    higher: tuple[str, ...],
) -> dict[str, Score]:
    """Medians over pairs of real sets: the first stands in the samples' place, the second is what
    both are compared with.
    """
    values, floors = [], []
    for stand_in, reference in halves:
        values.append(measured(samples, reference))
        floors.append(measured(stand_in, reference))
    return {
        name: Score(
            value=median(row[name] for row in values),
            floor=median(row[name] for row in floors),
            better="higher" if name in higher else "lower",
        )
        for name in values[0]
    }
