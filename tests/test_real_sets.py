"""Two sets of real samples by whole episodes, and halves of one."""

import numpy as np
import pytest

from atarigan.errors import InputError
from atarigan.evaluation.metrics.real_sets import half_of_rows, two_real_sets
from atarigan.evaluation.metrics.score import scores


def episodes_of(*lengths):
    return np.repeat(np.arange(len(lengths)), lengths)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize(
    "lengths", [(100, 100), (30, 10, 50, 40, 70), (1, 60, 60), tuple(range(5, 40))]
)
def test_no_episode_is_in_both_sets(lengths, seed):
    episodes = episodes_of(*lengths)
    sets = two_real_sets(len(episodes), len(episodes), seed, episodes)
    assert not set(episodes[sets.real]) & set(episodes[sets.others])
    assert len(sets.real) == len(sets.others) >= len(episodes) / 8
    np.testing.assert_array_equal(sets.episodes, episodes[sets.real])
    assert sets.num_episodes == len(lengths)
    assert (np.diff(sets.real) > 0).all()


def test_a_set_is_drawn_from_all_of_its_episodes():
    episodes = episodes_of(*[50] * 20)
    sets = two_real_sets(1000, 200, 0, episodes)
    assert len(sets.real) == 200
    assert len(set(sets.episodes)) == 10
    assert sets.num_available == 1000


@pytest.mark.parametrize("lengths", [(100,), (96, 4)])
def test_one_long_episode_is_cut_in_the_middle(lengths):
    sets = two_real_sets(100, 100, 0, episodes_of(*lengths))
    assert len(sets.real) >= 44
    late = [each.min() > 44 for each in (sets.real, sets.others)]
    assert any(late)


def test_independent_samples_are_drawn_from_the_whole():
    sets = two_real_sets(1000, 100, 0, None)
    assert len(np.intersect1d(sets.real, sets.others)) == 0
    for each in (sets.real, sets.others):
        assert each.min() < 100
        assert each.max() > 900


def test_too_few_samples_are_refused():
    with pytest.raises(InputError, match="at least 8 real samples, not 7"):
        two_real_sets(7, 100, 0, None)
    with pytest.raises(InputError, match="whole episodes with at least 4 real samples each"):
        two_real_sets(9, 100, 0, episodes_of(3, 6))


def test_halves_have_whole_episodes():
    episodes = episodes_of(20, 30, 10, 40)
    for seed in range(10):
        chosen = half_of_rows(100, episodes, np.random.default_rng(seed))
        counts = np.bincount(episodes[chosen], minlength=4)
        assert set(counts / np.bincount(episodes)) == {0, 1}


def mean_difference(samples, real):
    return {"small_offset": float(samples["x"].mean() - real["x"].mean())}


def test_intervals_cover_the_true_value_for_samples_that_come_by_episodes():
    """Each episode has its own mean, which would give frames taken for independent intervals that
    are eight times too short.
    """
    num_covered = {"by episodes": 0, "by frames": 0}
    for seed in range(100):
        rng = np.random.default_rng(seed)
        episodes = episodes_of(*[60] * 16)
        real = rng.normal(0, 1, 16)[episodes] + rng.normal(0, 1, len(episodes))
        columns = [{"x": x} for x in (rng.normal(5, 1, len(real)), real, real)]
        for name, known in (("by episodes", episodes), ("by frames", None)):
            score = scores(mean_difference, *columns, seed, episodes=known)["small_offset"]
            num_covered[name] += score["interval"][0] <= 5 <= score["interval"][1]
    assert num_covered["by episodes"] >= 85  # 95 are expected
    assert num_covered["by frames"] < 60
