"""Which judge suits which source."""

from atarigan.errors import InputError
from atarigan.metrics.judge import Judge
from atarigan.metrics.score import NUM_HALVES, Progress
from atarigan.run_config import RunConfig
from atarigan.sources.buffered_frames import BufferedFrames
from atarigan.sources.image_set import ImageSet
from atarigan.sources.labeled import LABELED, open_split
from atarigan.sources.points import PointSet
from atarigan.sources.source import DataSource

EXTRACTORS = {name: f"{name}-features-v1" for name in LABELED}


def judge_for(
    source: DataSource,
    config: RunConfig,
    num: int,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Judge:
    """A judge of samples of a source.

    Args:
        source: real samples.
        config: what the source was opened with.
        num: real samples to compare with; at most half of all are taken, the others set the floor.
        seed: of the choice of real samples.
        progress: called with how many samples were looked at.

    Raises:
        InputError: there are no measurements for such a source, or too few samples.
    """
    from atarigan.metrics.frame_judge import frame_judge
    from atarigan.metrics.image_judge import image_judge
    from atarigan.metrics.point_judge import point_judge

    if num < 4:
        raise InputError(f"measurements need at least 4 samples, not {num}")
    if isinstance(source, BufferedFrames):
        return frame_judge(source, num, seed, progress)
    if isinstance(source, PointSet) and source.distribution is not None:
        return point_judge(source.distribution, num, seed)
    if isinstance(source, ImageSet):
        return _labeled_judge(source, config, num, seed, progress) or image_judge(
            source.images, num, seed=seed, progress=progress
        )
    raise InputError(f"there are no measurements for source {config.source!r}")


def _labeled_judge(
    source: ImageSet, config: RunConfig, num: int, seed: int, progress: Progress
) -> Judge | None:
    """A judge in the features of the data set's own extractor; None where it has none for images of
    such a shape.
    """
    from atarigan.metrics.extractor import Extractor
    from atarigan.metrics.image_judge import image_judge

    if config.source not in EXTRACTORS:
        return None
    extractor = Extractor.load(EXTRACTORS[config.source])
    if extractor.info.sample_shape != source.spec.shape:
        return None
    fresh = open_split(config, "test").images
    return image_judge(source.images, num, extractor, fresh, seed, progress)


def work_to_do(source: DataSource, num: int) -> int:
    """How many samples are looked at to make a judge and have it score `num` samples, those that
    are measured again and again included.
    """
    from atarigan.metrics.ram_probe import NUM_LOOKED_AT

    learned = NUM_LOOKED_AT if isinstance(source, BufferedFrames) else 0
    return learned + 3 * num + 2 * num + NUM_HALVES * (num // 2)
