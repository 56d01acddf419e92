"""The search for decodings of a game's own, learned from small objects."""

from typing import Any

import cv2
import numpy as np
import numpy.typing as npt
import pytest
import torch
from torch import Tensor

from atarigan.models.families import NETWORKS
from atarigan.models.families.network import NetworkShape
from atarigan.models.families.shifted_groups import ShiftedGroups
from atarigan.models.search.points import PointVotes
from atarigan.models.search.position_search import SearchLimits, find_groups
from atarigan.models.search.position_tables import find_tables
from atarigan.models.search.positions import (
    DECODINGS,
    MAX_TABLES,
    PositionByte,
    PositionTable,
    candidates,
)
from atarigan.models.search.small_objects import find_small_groups
from atarigan.training.observers.moving_objects import as_table

SCREEN = (210, 160)
SIZE = (84, 84)
HMOVE, TWICE = DECODINGS.index("hmove"), DECODINGS.index("2v")
TABLE = len(DECODINGS)
ODD_EVEN = [(v >> 1 & 7) * 15 + (v & 1) * 75 - (((v >> 4) ^ 8) - 8) for v in range(256)]
"""Columns as Asteroids keeps them: the lowest bit is half a screen."""
TWICE_LINES = [2 * v for v in range(256)]
MOTION = [15 * (v & 15) - (((v >> 4) ^ 8) - 8) for v in range(256)]
SQUARES = [(v * v // 4 if v < 24 else 0) for v in range(256)]
"""Lines that are no sum of two numbers."""


def frames_with_shots(
    lines: list[int],
    columns: list[int],
    num_values: int,
    num: int = 2000,
    size: tuple[int, int] = SIZE,
    seed: int = 0,
) -> tuple[Tensor, ...]:
    """A shot whose line and column are those of bytes 1 and 2; the rest is noise."""
    rng = np.random.default_rng(seed)
    states = rng.integers(0, 256, (num, 6)).astype(np.uint8)
    states[:, 1] = rng.integers(0, num_values, num)
    frames = np.zeros((num, *size), np.float32)
    for frame, state in zip(frames, states, strict=True):
        screen = np.zeros(SCREEN, np.float32)
        line, column = 5 + lines[state[1]], 20 + columns[state[2]]
        screen[line : line + 4, np.array([column, column + 1]) % 160] = 0.9
        frame[:] = cv2.resize(screen, size[::-1], interpolation=cv2.INTER_AREA)
        frame[rng.integers(size[0]), rng.integers(size[1])] = 0.5
    return torch.from_numpy(frames), torch.from_numpy(states)


def offsets(found: npt.NDArray[np.int64], true: list[int], length: int) -> npt.NDArray[np.int64]:
    """Differences from the true positions, cyclic, relative to the most frequent one."""
    apart = (found[: len(true)] - np.array(true)) % length
    return (apart - np.bincount(apart).argmax() + length // 2) % length - length // 2


def test_a_decoding_of_two_halves_is_learned() -> None:
    motion = frames_with_shots(TWICE_LINES, ODD_EVEN, 90)
    (table,) = find_tables(PointVotes(*motion, SCREEN))
    assert table.axis == 1
    apart = np.abs(offsets(table.positions, ODD_EVEN, 160))
    assert np.mean(apart <= 2) > 0.9
    (shot,) = find_small_groups(PointVotes(*motion, SCREEN, [table]))
    assert (shot.row, shot.column) == (PositionByte(1, TWICE), PositionByte(2, TABLE))
    assert shot.consistency > 0.8
    assert "byte 2 as table 1" in str(shot)


def test_a_decoding_of_any_values_is_learned() -> None:
    (table,) = find_tables(PointVotes(*frames_with_shots(SQUARES, MOTION, 24), SCREEN))
    assert table.axis == 0
    assert np.abs(offsets(table.positions, SQUARES[:24], 210)).max() <= 3


def test_values_that_never_occur_follow_from_their_halves() -> None:
    motion = frames_with_shots(TWICE_LINES, ODD_EVEN, 90, num=300)
    assert len(motion[1][:, 2].unique()) < 190
    (table,) = find_tables(PointVotes(*motion, SCREEN))
    assert np.mean(np.abs(offsets(table.positions, ODD_EVEN, 160)) <= 3) > 0.9


@pytest.mark.parametrize("size", [(24, 24), (105, 80), (210, 160)])
def test_frames_may_have_any_size(size: tuple[int, int]) -> None:
    (table,) = find_tables(
        PointVotes(*frames_with_shots(TWICE_LINES, ODD_EVEN, 90, size=size), SCREEN)
    )
    most = 3 + 2 * 160 // size[1]
    assert np.mean(np.abs(offsets(table.positions, ODD_EVEN, 160)) <= most) > 0.9


def test_a_frame_of_one_line_has_no_table() -> None:
    frames, states = frames_with_shots(TWICE_LINES, ODD_EVEN, 90, num=200, size=(1, 84))
    for grid in (SCREEN, (1, 84)):
        assert all(table.axis == 1 for table in find_tables(PointVotes(frames, states, grid)))


def test_a_decoding_of_two_bytes_is_learned_once() -> None:
    first, first_states = frames_with_shots(TWICE_LINES, ODD_EVEN, 90)
    second, second_states = frames_with_shots(TWICE_LINES, ODD_EVEN, 90, seed=1)
    states = torch.cat([first_states, second_states], 1)
    (table,) = find_tables(PointVotes(torch.maximum(first, second), states, SCREEN))
    assert PositionByte(8, TABLE) in candidates(states, 1, [table]).names
    assert PositionByte(8, TABLE) not in candidates(states, 0, [table]).names


def test_two_decodings_are_learned_one_after_the_other() -> None:
    """The second shot is seen less often, and no known decoding is right for the first."""
    first, first_states = frames_with_shots(TWICE_LINES, ODD_EVEN, 90)
    second, second_states = frames_with_shots(SQUARES, MOTION, 24, num=1200, seed=1)
    second = torch.cat([second, torch.zeros(800, *SIZE)])
    more = torch.from_numpy(np.random.default_rng(1).integers(0, 24, (800, 6)).astype(np.uint8))
    states = torch.cat([first_states, torch.cat([second_states, more])], 1)
    tables = find_tables(PointVotes(torch.maximum(first, second), states, SCREEN))
    assert [table.axis for table in tables] == [1, 0]
    found = find_small_groups(PointVotes(torch.maximum(first, second), states, SCREEN, tables))
    pairs = {(group.row, group.column) for group in found}
    assert pairs == {
        (PositionByte(1, TWICE), PositionByte(2, TABLE)),
        (PositionByte(7, TABLE + 1), PositionByte(8, HMOVE)),
    }


def test_nothing_is_learned_where_a_known_decoding_holds() -> None:
    assert find_tables(PointVotes(*frames_with_shots(TWICE_LINES, MOTION, 90), SCREEN)) == []


@pytest.mark.parametrize("num", [1, 400, 4000])
def test_nothing_is_learned_from_noise(num: int) -> None:
    rng = np.random.default_rng(0)
    frames = np.zeros((num, *SIZE), np.float32)
    frames[np.arange(num), rng.integers(84, size=num), rng.integers(84, size=num)] = 1.0
    states = torch.from_numpy(rng.integers(0, 256, (num, 8)).astype(np.uint8))
    assert find_tables(PointVotes(torch.from_numpy(frames), states, SCREEN)) == []


def test_a_learned_decoding_finds_large_figures_too() -> None:
    rng = np.random.default_rng(0)
    states = rng.integers(0, 256, (600, 4)).astype(np.uint8)
    frames = np.zeros((600, *SIZE), np.float32)
    for frame, state in zip(frames, states, strict=True):
        screen = np.zeros(SCREEN, np.float32)
        top, left = state[0] % 150, (20 + ODD_EVEN[state[3]]) % 140
        screen[top : top + 16, left : left + 12] = 1.0
        frame[:] = cv2.resize(screen, SIZE[::-1], interpolation=cv2.INTER_AREA)
    states[:, 0] %= 150
    motion = torch.from_numpy(frames), torch.from_numpy(states)
    table = PositionTable(1, np.array([(20 + column) % 140 for column in ODD_EVEN]))
    found = find_groups(*motion, SCREEN, [table], SearchLimits(num_steps=3))
    assert (found[0].row.byte, found[0].column) == (0, PositionByte(3, TABLE))
    known = find_groups(*motion, SCREEN, limits=SearchLimits(num_steps=3))
    assert all(group.share < 0.7 * found[0].share for group in known)


def test_a_generator_draws_what_its_own_decoding_moves() -> None:
    frames, states = frames_with_shots(TWICE_LINES, ODD_EVEN, 90)
    shape = NetworkShape((1, *SIZE), latent_size=2, condition_size=8, state_size=6)
    generator = NETWORKS["shifted_profiles"]().generator(shape)
    generator.fit((200 * frames).byte()[..., None], states)
    found = generator.moving_groups()
    assert PositionByte(2, TABLE) in [group.column for group in found.groups]
    written: Any = as_table(found)
    (entry,) = written["tables"]
    assert entry == {"of": "columns", "positions": found.tables[0].positions.tolist()}
    assert "table 1" in [group["column"]["decoder"] for group in written["groups"]]


def groups_with_a_table() -> ShiftedGroups:
    motion = frames_with_shots(TWICE_LINES, ODD_EVEN, 90)
    tables = find_tables(PointVotes(*motion, SCREEN))
    groups = ShiftedGroups(3, *SIZE, num_bytes=6)
    groups.set_grid_and_tables(SCREEN, tables)
    groups.append(find_small_groups(PointVotes(*motion, SCREEN, tables)), num_latents=0)
    return groups


def test_what_a_table_moves_is_drawn_where_it_is() -> None:
    frames, states = frames_with_shots(TWICE_LINES, ODD_EVEN, 90)
    shown = groups_with_a_table()(torch.zeros(2000, 84 * 84), torch.zeros(2000, 3), states)
    shots = frames.clone()
    shots[shots == 0.5] = 0.0  # specks
    brightest = shown.argmax(1), shots.flatten(1).argmax(1)
    down, across = ((brightest[0] // 84 - brightest[1] // 84).abs(), (brightest[0] - brightest[1]))
    near = (down <= 1) & ((across % 84 <= 2) | (across % 84 >= 82))
    assert near.float().mean() > 0.9


def test_tables_are_stored_and_files_without_them_are_read() -> None:
    groups = groups_with_a_table()
    stored = groups.state_dict()
    loaded = ShiftedGroups(3, *SIZE, num_bytes=6)
    loaded.load_state_dict(stored)
    (table,), (expected,) = loaded.position_tables(), groups.position_tables()
    assert table.axis == expected.axis
    np.testing.assert_array_equal(table.positions, expected.positions)
    old = ShiftedGroups(3, *SIZE, num_bytes=6)
    old.set_grid_and_tables(SCREEN, [])
    old.append(
        find_small_groups(PointVotes(*frames_with_shots(TWICE_LINES, ODD_EVEN, 90), SCREEN)),
        num_latents=0,
    )
    stored = {name: each for name, each in old.state_dict().items() if "table" not in name}
    loaded.load_state_dict(stored)
    assert loaded.position_tables() == []


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        ("table_axes", torch.zeros(0, dtype=torch.int64), "tables must be"),
        ("tables", torch.full((1, 256), -1, dtype=torch.int16), "tables must be 0 to"),
        ("table_axes", torch.tensor([2]), "table_axes must be 0 to 1"),
        ("table_axes", torch.zeros(MAX_TABLES + 1, dtype=torch.int64), "at most 4 tables, not 5"),
    ],
)
def test_damaged_tables_are_refused(name: str, value: Tensor, said: str) -> None:
    stored = dict(groups_with_a_table().state_dict())
    stored[name] = value
    with pytest.raises(ValueError, match=said):
        ShiftedGroups(3, *SIZE, num_bytes=6).load_state_dict(stored)


def test_a_group_of_a_table_that_is_not_there_is_refused() -> None:
    stored = dict(groups_with_a_table().state_dict())
    stored["table_axes"], stored["tables"] = stored["table_axes"][:0], stored["tables"][:0]
    with pytest.raises(ValueError, match="groups must fit"):
        ShiftedGroups(3, *SIZE, num_bytes=6).load_state_dict(stored)


def test_bricks_that_are_bits_of_a_byte_are_no_decoding() -> None:
    rng = np.random.default_rng(0)
    states = (rng.integers(0, 256, (2000, 4)) & rng.integers(0, 256, (2000, 4))).astype(np.uint8)
    frames = np.zeros((2000, *SIZE), np.float32)
    for frame, state in zip(frames, states, strict=True):
        for bit in range(8):
            frame[40:42, 3 + 9 * bit : 6 + 9 * bit] = (state[1] >> bit & 1) * (rng.random() < 0.15)
    motion = torch.from_numpy(frames), torch.from_numpy(states)
    assert find_tables(PointVotes(*motion, SCREEN)) == []
