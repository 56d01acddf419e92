"""Which judge suits which source."""

from atarigan.config.run_config import RunConfig
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.data.sources.image_set import ImageSet
from atarigan.data.sources.labeled import LABELED, open_split
from atarigan.data.sources.points import PointSet
from atarigan.data.sources.source import DataSource
from atarigan.errors import InputError
from atarigan.evaluation.evaluator import Evaluator
from atarigan.evaluation.features.feature_space import FeatureSpace, feature_space
from atarigan.evaluation.metrics.score import NUM_HALVES, Progress
from atarigan.images.pixels import Frames

EXTRACTORS = {name: f"{name}-features-v1" for name in LABELED}


def evaluator_for(
    source: DataSource,
    config: RunConfig,
    num: int,
    seed: int = 0,
    progress: Progress = lambda _: None,
    features: str | None = None,
) -> Evaluator:
    """A judge of samples of a source.

    Args:
        source: real samples.
        config: what the source was opened with.
        num: real samples to compare with; at most half of all are taken, the others set the floor.
        seed: of the choice of real samples.
        progress: called with how many samples were looked at.
        features: name of the features in which images are compared; None takes the source's own.

    Raises:
        InputError: there are no measurements for such a source, or too few samples, or the features
            are unknown or do not fit.
    """
    from atarigan.evaluation.frame_evaluator import frame_evaluator
    from atarigan.evaluation.point_evaluator import point_evaluator

    if num < 4:
        raise InputError(f"measurements need at least 4 samples, not {num}")
    space = None if features is None else feature_space(features)
    if isinstance(source, BufferedFrames):
        return frame_evaluator(source, num, space, seed, progress)
    if isinstance(source, ImageSet):
        return _image_evaluator(source, config, num, space, seed, progress)
    if isinstance(source, PointSet) and source.distribution is not None and space is None:
        return point_evaluator(source.distribution, num, seed)
    of_what = f" in {features}" if features else ""
    raise InputError(f"there are no measurements for source {config.source!r}{of_what}")


def _image_evaluator(
    source: ImageSet,
    config: RunConfig,
    num: int,
    space: FeatureSpace | None,
    seed: int,
    progress: Progress,
) -> Evaluator:
    """A judge in the features that were named, those of the data set's own extractor, or of
    thumbnails where it has none for images of such a shape.
    """
    from atarigan.evaluation.features.extractor import Extractor
    from atarigan.evaluation.features.feature_space import extractor_space, thumbnail_space
    from atarigan.evaluation.image_evaluator import image_evaluator

    fresh = None
    if config.source in EXTRACTORS:
        extractor = Extractor.load(EXTRACTORS[config.source])
        if extractor.info.sample_shape == source.spec.shape:
            space = space or extractor_space(extractor)
        fresh = open_split(config, "test").images
    return image_evaluator(source.images, num, space or thumbnail_space(), fresh, seed, progress)


def work_to_do(
    source: DataSource,
    num: int,
    features: str | None = None,
    stacks: Frames | None = None,
) -> int:
    """How many samples are looked at to make a judge and have it score `num` samples, those that
    are measured again and again included, and to do the same with stacks.
    """
    from atarigan.evaluation.features.ram_probe import NUM_LOOKED_AT
    from atarigan.evaluation.motion_evaluator import MOST_STACKS

    learns = isinstance(source, BufferedFrames) and features is None
    total = (NUM_LOOKED_AT if learns else 0) + _looks(min(num, source.num_samples // 2))
    if isinstance(source, BufferedFrames) and stacks is not None:
        num_real = source.num_samples // stacks.shape[1]
        total += _looks(min(len(stacks), MOST_STACKS, num_real // 2))
    return total


def _looks(num: int) -> int:
    """How often one of `num` samples is looked at to describe and to score them."""
    return 5 * num + NUM_HALVES * (num // 2)
