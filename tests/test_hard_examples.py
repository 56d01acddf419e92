"""Hard example mining: trees of few of many transitions that predict all of them."""

import numpy as np
import pytest

from atarigan.models.dynamics import hard_examples
from atarigan.models.dynamics.features import Columns, Feature, Kind
from atarigan.models.dynamics.hard_examples import mine as mine_labels
from atarigan.models.dynamics.labels import Labels

NUM = 20_000
NUM_MANY = 100_000
CANDIDATES = [Feature(Kind.PRESENT, byte) for byte in range(6)]


def rarely_decided(seed, num=NUM):
    """Byte 0 decides; where byte 1 is one of two values, which is rare, byte 2 does. The rest is
    noise.
    """
    rng = np.random.default_rng(seed)
    present = rng.integers(0, 256, (6, num)).astype(np.uint8)
    is_rare = present[1] < 2
    classes = np.where(is_rare, 2 + (present[2] > 100), present[0] > 77).astype(np.uint8)
    return Columns(present, present, np.zeros((0, num), np.int32)), classes


def mine(columns, classes, *rest, **settings):
    labels = Labels.of_codes(classes.astype(np.uint8))
    return mine_labels(columns, labels, *rest, **settings)


def share_wrong(mined, columns, classes):
    predicted = mined.tree.predicted(mined.tree.leaves(columns))
    return float((predicted != classes).mean())


@pytest.fixture
def few_sampled(monkeypatch):
    monkeypatch.setattr(hard_examples, "NUM_SAMPLED", 1500)


def test_a_tree_of_few_transitions_predicts_all(few_sampled):
    columns, classes = rarely_decided(0)
    mined = mine(columns, classes, CANDIDATES, np.random.default_rng(0))
    assert len(mined.rows) < 0.3 * NUM
    assert share_wrong(mined, columns, classes) == 0
    assert share_wrong(mined, *rarely_decided(1)) < 0.001


def test_features_that_do_not_matter_are_left_out(few_sampled):
    mined = mine(*rarely_decided(0), CANDIDATES, np.random.default_rng(0))
    assert {feature.first for feature in mined.tree.features[:3]} == {0, 1, 2}
    assert len(mined.tree.features) < len(CANDIDATES)


def test_a_tree_stays_if_it_predicts_more_transitions_and_is_fitted_again_if_not(few_sampled):
    columns, classes = rarely_decided(0)
    first = Columns(
        columns.present[:, :10_000], columns.next[:, :10_000], columns.inputs[:, :10_000]
    )
    rng = np.random.default_rng(0)
    known = mine(first, classes[:10_000], CANDIDATES, rng)
    assert (
        mine(columns, known.tree.predicted(known.tree.leaves(columns)), CANDIDATES, rng, known)
        is known
    )
    others = classes.copy()
    others[10_000:][columns.present[5, 10_000:] == 9] = 7  # what was never seen before
    again = mine(columns, others, CANDIDATES, rng, known)
    assert set(known.rows) < set(again.rows)
    assert share_wrong(again, columns, others) < share_wrong(known, columns, others)


def test_noise_ends(few_sampled):
    rng = np.random.default_rng(0)
    columns, _ = rarely_decided(0, 3000)
    noise = rng.integers(0, 2, 3000).astype(np.uint8)
    mined = mine(columns, noise, CANDIDATES[:2], rng)
    assert share_wrong(mined, columns, noise) < 0.5


def test_likely_features_are_used_alone_if_they_suffice(few_sampled):
    columns, classes = rarely_decided(0)
    columns.present[3:] = columns.present[:3]  # as good as what decides
    mined = mine(columns, classes, CANDIDATES, np.random.default_rng(0), likely=CANDIDATES[3:])
    assert {feature.first for feature in mined.tree.features} <= {3, 4, 5}
    assert share_wrong(mined, columns, classes) == 0


def test_all_features_are_tried_if_the_likely_ones_do_not_suffice(few_sampled):
    columns, classes = rarely_decided(0)
    mined = mine(columns, classes, CANDIDATES, np.random.default_rng(0), likely=CANDIDATES[:1])
    assert {feature.first for feature in mined.tree.features[:3]} == {0, 1, 2}
    assert share_wrong(mined, columns, classes) == 0


def test_what_decides_a_rare_event_alone_is_found():
    """An event in four thousand, decided by four of sixty bytes together."""
    rng = np.random.default_rng(0)
    present = rng.integers(0, 8, (60, NUM_MANY)).astype(np.uint8)
    is_rare = (present[[7, 19, 31, 43]] == 5).all(0)
    classes = np.where(is_rare, 9, present[0] > 3).astype(np.uint8)
    columns = Columns(present, present, np.zeros((0, NUM_MANY), np.int32))
    candidates = [Feature(Kind.PRESENT, byte) for byte in range(60)]
    mined = mine(columns, classes, candidates, rng)
    assert {0, 7, 19, 31, 43} <= {feature.first for feature in mined.tree.features}
    assert share_wrong(mined, columns, classes) < 1e-4
