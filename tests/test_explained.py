"""The share of the variance of pictures that states explain."""

import numpy as np
import pytest

from atarigan.evaluation.metrics.explained import explained_scores, undetermined

EPISODES = np.repeat(np.arange(40), 25)


def true_frames() -> np.ndarray:
    """Noise on the right, and on the left a level that each episode has for itself."""
    rng = np.random.default_rng(0)
    frames = rng.integers(0, 200, (1000, 6, 8, 1)).astype(np.uint8)
    frames[:, :, :4] = rng.integers(0, 200, 40)[EPISODES, None, None, None]
    return frames


def test_exact_frames_explain_everything() -> None:
    found = explained_scores(true_frames(), true_frames(), EPISODES)
    assert found["variance_explained"]["value"] == 1
    assert found["episode_variance"]["value"] == pytest.approx(0, abs=1e-9)
    assert undetermined(found) is None


def test_what_differs_between_episodes_is_told_apart() -> None:
    true = true_frames()
    drawn = true.copy()
    drawn[:, :, :4] = 100
    found = explained_scores(drawn, true, EPISODES)
    assert found["variance_explained"]["value"] == pytest.approx(0.5, abs=0.1)
    assert found["episode_variance"]["value"] == pytest.approx(0.5, abs=0.1)
    text = undetermined(found)
    assert text is not None
    assert "the state does not determine the picture" in text
    assert f"{found['episode_variance']['value']:.1%} differ from episode to episode" in text


def test_what_differs_within_episodes_is_not() -> None:
    true = true_frames()
    drawn = true.copy()
    drawn[:, :, 4:] = 100
    found = explained_scores(drawn, true, EPISODES)
    assert found["variance_explained"]["value"] == pytest.approx(0.5, abs=0.1)
    assert found["episode_variance"]["value"] == pytest.approx(0, abs=0.01)
    assert undetermined(found) is None


def test_without_episodes_or_variance_there_is_less_to_measure() -> None:
    true = true_frames()
    assert set(explained_scores(true, true)) == {"variance_explained"}
    assert set(explained_scores(true, true, np.zeros(1000, int))) == {"variance_explained"}
    assert explained_scores(true[:1].repeat(9, 0), true[:1].repeat(9, 0)) == {}
