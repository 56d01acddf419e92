"""The evaluator of a source, and feature spaces by name."""

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.sources.image_set import ImageSet
from atarigan.data.sources.labeled_images import LABELED, open_split
from atarigan.data.sources.points import PointSet
from atarigan.data.sources.source import DataSource
from atarigan.errors import InputError, did_you_mean
from atarigan.evaluation.evaluator import Evaluator
from atarigan.evaluation.features import ram_probe
from atarigan.evaluation.features.extractor import (
    SUFFIX,
    Extractor,
    extractor_space,
    shipped_extractors,
)
from atarigan.evaluation.features.feature_space import THUMBNAILS, FeatureSpace, thumbnail_space
from atarigan.evaluation.features.inception import INCEPTION, inception_space
from atarigan.evaluation.frame_evaluator import frame_evaluator
from atarigan.evaluation.image_evaluator import image_evaluator
from atarigan.evaluation.metrics.score import NUM_HALVES, Progress
from atarigan.evaluation.motion_evaluator import MAX_STACKS
from atarigan.evaluation.point_evaluator import point_evaluator
from atarigan.images.pixels import Frames

MIN_REAL = 8  # two sets of four
EXTRACTORS = {name: f"{name}-features-v1" for name in LABELED}


def evaluator_for(
    source: DataSource,
    config: RunConfig,
    num: int,
    seed: int = 0,
    progress: Progress = lambda _: None,
    features: str | None = None,
) -> Evaluator:
    """Return an evaluator of samples of a source.

    Args:
        source: real samples.
        config: the configuration that the source was opened with.
        num: real samples to compare with, at most half of all; others set the floor.
        seed: seed of the choice of real samples.
        progress: called with the number of samples processed.
        features: name of the feature space for images; None takes the source's default.

    Raises:
        InputError: the source has no metrics, there are too few samples, or the feature space is
            unknown or does not fit the source.
    """
    if num < 4:
        raise InputError(f"measurements need at least 4 samples, not {num}")
    space = None if features is None else feature_space(features)
    if isinstance(source, BufferedFrames):
        return frame_evaluator(source, num, space, seed, progress)
    if isinstance(source, ImageSet):
        return _image_set_evaluator(source, config, num, space, seed, progress)
    if isinstance(source, PointSet) and source.distribution is not None and space is None:
        return point_evaluator(source.distribution, num, seed)
    with_features = f" with features {features!r}" if features else ""
    raise InputError(f"source {config.source!r} has no metrics{with_features}")


def missing_for_evaluation(source: DataSource, config: RunConfig) -> str | None:
    """Return why samples of a source cannot be evaluated during a run; None if they can."""
    if source.num_samples < MIN_REAL:
        return f"it needs at least {MIN_REAL} samples, not {source.num_samples}"
    if config.source in EXTRACTORS:
        try:
            open_split(config, "test")
        except InputError as error:
            return f"it needs the test split: {error}"
    return None


def _image_set_evaluator(
    source: ImageSet,
    config: RunConfig,
    num: int,
    space: FeatureSpace | None,
    seed: int,
    progress: Progress,
) -> Evaluator:
    """Return an evaluator in the given feature space. The default is the data set's own extractor,
    or thumbnails if there is none for images of this shape.
    """
    fresh = None
    if config.source in EXTRACTORS:
        extractor = Extractor.load(EXTRACTORS[config.source])
        if extractor.info.sample_shape == source.spec.shape:
            space = space or extractor_space(extractor)
        fresh = open_split(config, "test").images
    return image_evaluator(source.images, num, space or thumbnail_space(), fresh, seed, progress)


def feature_space(name: str) -> FeatureSpace:
    """Return a feature space by name: "thumbnails-8x8", "inception", a shipped extractor, or the
    file of an extractor.

    Raises:
        InputError: the name is unknown, or the weights or packages that it needs are missing.
    """
    if name == THUMBNAILS:
        return thumbnail_space()
    if name == INCEPTION:
        return inception_space()
    if not name.endswith(SUFFIX) and name not in shipped_extractors():
        hint = did_you_mean(name, [THUMBNAILS, INCEPTION, *shipped_extractors()])
        raise InputError(f"unknown features {name!r}: {hint}; or name a {SUFFIX} file")
    return extractor_space(Extractor.load(name))


def progress_total(
    source: DataSource,
    num: int,
    features: str | None = None,
    stacks: Frames | None = None,
) -> int:
    """Return how many samples an evaluation reports to its progress callback: those that train the
    RAM probe, and `num` samples and the stacks each time they are described or scored.
    """
    trains_probe = features is None and isinstance(source, BufferedFrames) and source.has_ram
    total = ram_probe.NUM_TRAINING_FRAMES if trains_probe else 0
    total += _num_processed(min(num, source.num_samples // 2))
    if isinstance(source, BufferedFrames) and stacks is not None:
        num_real = len(source.whole_stacks(stacks.shape[1]))
        total += _num_processed(min(len(stacks), MAX_STACKS, num_real // 2))
    return total


def _num_processed(num: int) -> int:
    """Three sets are described, two scored, and halves scored for the confidence intervals."""
    return 5 * num + NUM_HALVES * (num // 2)
