"""Judging game frames: colors, background, objects, and what a probe reads in them."""

import numpy as np
import numpy.typing as npt

from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.evaluation.evaluator import Evaluator, Samples, in_chunks, two_real_sets
from atarigan.evaluation.features.feature_space import FeatureSpace, thumbnail_space
from atarigan.evaluation.features.ram_probe import Ram, RamProbe
from atarigan.evaluation.image_evaluator import feature_scores
from atarigan.evaluation.metrics.game_statistics import GameStatistics
from atarigan.evaluation.metrics.objects import describe_objects
from atarigan.evaluation.metrics.points import wasserstein
from atarigan.evaluation.metrics.score import Columns, Progress
from atarigan.images.pixels import Frames

PROBE = "ram-probe-v1"
USUAL_SHARE = 0.99
_VISITED_SHARE = 0.05


def frame_evaluator(
    source: BufferedFrames,
    num: int,
    space: FeatureSpace | None = None,
    seed: int = 0,
    progress: Progress = lambda _: None,
) -> Evaluator:
    """A judge of a game's frames. Half of the real ones teach it the game and are compared with.

    Distances are taken in the features of a network that learns to read the console's memory off
    those frames; where the buffer has no memory stored, or none that varies, of thumbnails; or in
    those that are named.

    Raises:
        InputError: there are fewer than 8 frames, or they do not fit the features.
    """
    real, others = two_real_sets(source.num_samples, num, seed)
    frames = source.samples_at(real)
    scene = GameStatistics.of(frames)
    space = space or probe_space(frames, source.ram_at(real), seed, progress)

    def describe(samples: Samples) -> Columns:
        return describe_frames(samples, scene, space)

    reference = in_chunks(describe, frames, progress)
    stand_in = in_chunks(describe, source.samples_at(others), progress)

    def measure(samples: Columns, real_ones: Columns) -> dict[str, float]:
        of_features = feature_scores(samples, real_ones, stand_in["features"])
        return of_features | frame_scores(samples, real_ones)

    return Evaluator(
        space=space,
        headline="frechet_distance",
        describe=describe,
        measure=measure,
        real=frames,
        reference=reference,
        stand_in=stand_in,
        accepted=frames.shape[1:],
        seed=seed,
        scene=scene,
    )


def probe_space(frames: Frames, ram: Ram | None, seed: int, progress: Progress) -> FeatureSpace:
    """The features of a probe that learns real frames uint8 (N, H, W, C) and the memory behind
    them, uint8 (N, bytes); thumbnails where there is none, or none that varies.
    """
    if ram is None or not (ram != ram[0]).any():
        return thumbnail_space()
    probe = RamProbe.fit(frames, ram, seed, progress)
    return FeatureSpace(PROBE, lambda samples: dict(probe.read(samples)._asdict()))


def describe_frames(samples: Samples, scene: GameStatistics, space: FeatureSpace) -> Columns:
    """What is known of frames uint8 (N, H, W, C)."""
    return {
        "valid_share": scene.valid_share(samples),
        "exact_share": scene.exact_share(samples),
        **describe_objects(scene, samples),
        **space.describe(samples),
    }


def frame_scores(samples: Columns, real: Columns) -> dict[str, float]:
    """What pixels and objects tell, and what the probe's readings do where there are some."""
    small, usual = samples["num_small"], real["num_small"]
    found = {
        "valid_colors": float(samples["valid_share"].mean()),
        "exact_background": float(samples["exact_share"].mean()),
        "small_presence": presence(small, usual),
        "small_extra": float((small > np.quantile(usual, USUAL_SHARE)).mean()),
        "object_counts": float(
            wasserstein(samples["num_objects"].astype(float), real["num_objects"].astype(float))
        ),
    }
    for name in ("object_sizes", "object_places", "object_colors"):
        found[name] = misplaced_share(samples[name].sum(0), real[name].sum(0))
    found["places_visited"] = visited_share(
        samples["object_places"].sum(0), real["object_places"].sum(0)
    )
    if "claims" in samples and samples["claims"].shape[1]:
        found["ram_claims"] = float(wasserstein(samples["claims"].T, real["claims"].T).mean())
    return found


def presence(counts: npt.NDArray[np.int64], usual: npt.NDArray[np.int64]) -> float:
    """Share of frames that show at least one, as a share of how many real ones do; at most 1, which
    it also is where real ones show none.
    """
    rate = float((usual > 0).mean())
    return min(1.0, float((counts > 0).mean()) / rate) if rate else 1.0


def misplaced_share(counts: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Total variation distance of what two counts (K,) are distributions of, 0 to 1.

    ½ Σ |p - q|: the share that would have to be moved; 1 where just one of them is empty.
    """
    if not counts.sum() or not real.sum():
        return float(counts.any() != real.any())
    return float(np.abs(counts / counts.sum() - real / real.sum()).sum() / 2)


def visited_share(counts: npt.NDArray[np.int64], real: npt.NDArray[np.int64]) -> float:
    """Share of the cells that real counts (K,) fill which others fill too, 0 to 1.

    A cell counts as filled by real ones where they have at least a twentieth of what they would
    have there on average of the cells that they reach; by others, where they have half as large a
    share of their own.
    """
    if not real.any():
        return 1.0
    shares = real / real.sum()
    least = _VISITED_SHARE / np.count_nonzero(real)
    filled = shares >= least
    return float((counts[filled] / max(1, counts.sum()) >= least / 2).mean())
