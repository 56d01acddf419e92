"""The selection of features by what goes wrong without them."""

import numpy as np

from atarigan.models.dynamics.feature_selection import (
    CandidateFeatures,
    balanced_rows,
    select_features,
    simplest_features,
)
from atarigan.models.dynamics.features import Columns, Feature, Kind


def test_features_that_rarely_matter_replace_those_that_often_help():
    """Bytes 0 and 1 decide, of which bytes 4 and 5 are imprecise copies; where byte 2 is high,
    which is rare, byte 3 decides.
    """
    rng = np.random.default_rng(1)
    present = rng.integers(0, 256, (6, 10_000))
    present[4:] = np.clip(present[:2] + rng.integers(-12, 13, (2, 10_000)), 0, 255)
    classes = (present[0] > 128) + 2 * (present[1] > 128)
    classes = np.where(present[2] >= 240, present[3] // 64, classes).astype(np.uint16)
    columns = Columns(
        present.astype(np.uint8), present.astype(np.uint8), np.zeros((0, 10_000), int)
    )
    candidates = [Feature(Kind.PRESENT, byte) for byte in range(6)]
    selected = select_features(columns, classes, candidates, rng, num_selected=4)
    assert {feature.first for feature in selected} == {0, 1, 2, 3}


def test_the_simplest_features_are_those_of_the_smallest_tree():
    """Bytes 0 and 2 decide; byte 4 is an imprecise copy of byte 0."""
    rng = np.random.default_rng(2)
    present = rng.integers(0, 256, (5, 6000)).astype(np.uint8)
    present[4] = np.clip(present[0].astype(int) + rng.integers(-9, 10, 6000), 0, 255)
    classes = ((present[0] > 100).astype(np.uint16) + (present[2] > 30)).astype(np.uint16)
    columns = Columns(present, present, np.zeros((0, 6000), np.int32))
    candidates = [Feature(Kind.PRESENT, byte) for byte in range(5)]
    rows = np.arange(6000)
    selected = simplest_features(columns, classes, candidates, rows, rng)
    assert {feature.first for feature in selected} == {0, 2}


def test_nothing_is_selected_where_nothing_tells_classes_apart():
    constant = np.zeros((2, 50), np.uint8)
    columns = Columns(constant, constant, np.zeros((0, 50), np.int32))
    candidates = [Feature(Kind.PRESENT, 0), Feature(Kind.BIT, 1, 3)]
    classes = (np.arange(50) % 2).astype(np.uint16)
    assert select_features(columns, classes, candidates, np.random.default_rng(0), 24) == []


def test_candidates_read_next_values_of_earlier_bytes_or_those_of_some_alone():
    rng = np.random.default_rng(0)
    present = rng.integers(0, 17, (3, 4000)).astype(np.uint8)
    present[1] %= 4
    columns = Columns(present, present, np.zeros((1, 4000), np.int32))
    candidates = CandidateFeatures(columns)
    always = {
        *(Feature(Kind.PRESENT, byte) for byte in range(3)),
        Feature(Kind.INPUT, 0),
        Feature(Kind.DIFFERENCE, 0, 2),
        *(Feature(Kind.BIT, byte, bit) for byte in (0, 2) for bit in range(5)),
        *(Feature(Kind.BIT, 1, bit) for bit in range(2)),
        *(Feature(Kind.LOW_NIBBLE, byte) for byte in (0, 2)),
    }
    assert set(candidates.before(0)) == always
    changes = {Feature(Kind.NEXT_MINUS_PRESENT, byte, byte) for byte in range(3)}
    of_next = {Feature(Kind.NEXT, byte) for byte in range(3)}
    assert set(candidates.before(2)) - always == {
        *(feature for feature in changes | of_next if feature.first < 2),
        Feature(Kind.NEXT_MINUS_PRESENT, 0, 2),
    }
    assert set(candidates.after([1])) == {
        Feature(Kind.NEXT, 1),
        Feature(Kind.NEXT_MINUS_PRESENT, 1, 1),
        *(Feature(Kind.NEXT_BIT, 1, bit) for bit in range(2)),
        Feature(Kind.NEXT_LOW_NIBBLE, 1),
    }


def test_rare_classes_are_more_frequent_in_a_balanced_subsample():
    classes = np.repeat([0, 1], [9900, 100]).astype(np.uint16)
    rows = balanced_rows(classes, 1000, np.random.default_rng(0))
    assert len(set(rows.tolist())) == 1000
    assert 50 < classes[rows].sum() < 80
    everything = balanced_rows(classes, 10_000, np.random.default_rng(0))
    assert sorted(everything.tolist()) == list(range(10_000))


def test_likely_candidates_read_what_decides_a_byte():
    """Byte 0 decides bytes 1 and 2; byte 3 decides itself alone."""
    rng = np.random.default_rng(0)
    present = rng.integers(0, 17, (4, 4000)).astype(np.uint8)
    columns = Columns(present, present, np.zeros((1, 4000), np.int32))
    influences = np.zeros((4, 4), np.bool_)
    influences[0, 1:3] = True
    influences[3, 3] = True
    candidates = CandidateFeatures(columns, influences)
    read = {feature.first for feature in candidates.likely(3) if feature.kind != Kind.INPUT}
    assert read == {3}
    likely = set(candidates.likely(2))
    assert likely < set(candidates.before(2))
    assert Feature(Kind.INPUT, 0) in likely
    assert Feature(Kind.NEXT, 1) in likely  # half of what decides it decides byte 2
    assert Feature(Kind.DIFFERENCE, 0, 2) in likely
    assert not {Feature(Kind.PRESENT, 1), Feature(Kind.DIFFERENCE, 0, 3)} & likely
    assert candidates.likely(0) == candidates.before(0)  # of which nothing is known
    assert CandidateFeatures(columns).likely(2) == candidates.before(2)
