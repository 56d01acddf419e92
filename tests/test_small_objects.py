"""The search for small objects: which bytes move a shot of one or two pixels."""

import cv2
import numpy as np
import torch

from atarigan.models.families.network import NetworkShape
from atarigan.models.families.shifted_profiles import ShiftedProfilesFamily
from atarigan.models.search.points import MEDIUM, PointVotes
from atarigan.models.search.positions import (
    DECODINGS,
    NO_BYTE,
    MovingGroup,
    PositionByte,
    decoded_positions,
)
from atarigan.models.search.small_objects import find_small_groups

SCREEN = (210, 160)
SIZE = (84, 84)
TWICE, HMOVE, V = (DECODINGS.index(name) for name in ("2v", "hmove", "v"))


def frames_with_shots(num, rng):
    """A large figure that byte 0 moves, a shot that bytes 1 and 2 move in a tenth of the frames,
    and a speck at a random place. Byte 3 is noise.
    """
    states = rng.integers(0, 256, (num, 4)).astype(np.uint8)
    states[:, 0] = rng.integers(0, 100, num)
    states[:, 1] = rng.integers(0, 70, num)
    states[:, 2] = rng.integers(0, 9, num) | rng.integers(0, 16, num) << 4
    frames = np.zeros((num, *SIZE), np.float32)
    for number, (frame, state) in enumerate(zip(frames, states, strict=True)):
        screen = np.zeros(SCREEN, np.float32)
        screen[150:170, state[0] : state[0] + 40] = 1.0
        if number % 10 == 0:
            line, column = 3 + 2 * int(state[1]), 12 + int(decoded_positions(HMOVE)[state[2]])
            screen[line : line + 4, column] = 0.8
        frame[:] = cv2.resize(screen, SIZE[::-1], interpolation=cv2.INTER_AREA)
        frame[rng.integers(60), rng.integers(84)] = 0.5
    return torch.from_numpy(frames), torch.from_numpy(states)


def test_the_bytes_of_a_rare_shot_are_found_and_its_window_holds_it():
    motion = frames_with_shots(1000, np.random.default_rng(0))
    (shot,) = find_small_groups(PointVotes(*motion, SCREEN))
    assert (shot.row, shot.column) == (PositionByte(1, TWICE), PositionByte(2, HMOVE))
    assert shot.consistency > 0.8
    top, left = (shot.top + 5) % 210 - 5, (shot.left + 20) % 160 - 20
    assert top <= 3
    assert top + shot.height >= 7
    assert left <= 12 < left + shot.width
    assert (shot.height, shot.width) <= (30, 20)
    peak = np.unravel_index(shot.patch.argmax(), shot.patch.shape)
    assert abs(top + peak[0] - 4.5) <= 2
    assert abs(left + peak[1] - 12) <= 2


def test_parts_of_what_is_known_to_move_are_not_found_again():
    motion = frames_with_shots(1000, np.random.default_rng(0))
    window = (0, 20, 0, 20, 0.1, 1.0, np.ones((20, 20)))
    known = MovingGroup(PositionByte(1, V), PositionByte(2, V), *window)
    assert find_small_groups(PointVotes(*motion, SCREEN), [known]) == []
    other = MovingGroup(PositionByte(NO_BYTE, 0), PositionByte(2, V), *window)
    assert len(find_small_groups(PointVotes(*motion, SCREEN), [other])) == 1


def frames_with_figures(num, rng):
    """As `frames_with_shots`, and in every third frame a figure with the place of the shot and
    another shape in each frame.
    """
    frames, states = (each.numpy() for each in frames_with_shots(num, rng))
    for frame, state in zip(frames[::3], states[::3], strict=True):
        screen = np.zeros(SCREEN, np.float32)
        line, column = 3 + 2 * int(state[1]), 8 + int(decoded_positions(HMOVE)[state[2]])
        shape = rng.permuted(np.repeat([1.0, -1.0], 8)).reshape(4, 4)
        screen[line : line + 10, column : column + 8] = cv2.resize(shape, (8, 10), None, 0, 0, 0)
        frame += cv2.resize(screen, SIZE[::-1], interpolation=cv2.INTER_AREA)
    return torch.from_numpy(frames), torch.from_numpy(states)


def test_figures_that_change_their_shape_are_found_as_points_of_medium_size():
    """Their mean picture is faint, and the search by pictures finds nothing but the large one."""
    motion = frames_with_figures(1000, np.random.default_rng(0))
    (figure,) = find_small_groups(PointVotes(*motion, SCREEN, sizes=MEDIUM))
    assert (figure.row, figure.column) == (PositionByte(1, TWICE), PositionByte(2, HMOVE))
    assert (figure.height, figure.width) <= (40, 30)
    assert len(find_small_groups(PointVotes(*motion, SCREEN))) == 1  # the shot


def test_figures_are_found_in_what_is_not_drawn_yet():
    missing, states = frames_with_figures(600, np.random.default_rng(0))
    shape = NetworkShape((1, *SIZE), 2, condition_size=8, state_size=4, screen_size=SCREEN)
    generator = ShiftedProfilesFamily().generator(shape)
    generator.groups.set_grid_and_tables(SCREEN, [])
    missing[::10] = 0.0  # no shots
    figures, shots = generator.found_in(missing, states)
    pairs = [(each.row, each.column) for each in figures]
    assert (PositionByte(1, TWICE), PositionByte(2, HMOVE)) in pairs
    assert shots == []


def test_specks_at_random_places_move_with_nothing():
    rng = np.random.default_rng(0)
    residual = np.zeros((500, *SIZE), np.float32)
    residual[np.arange(500), rng.integers(84, size=500), rng.integers(84, size=500)] = 1.0
    states = rng.integers(0, 256, (500, 6)).astype(np.uint8)
    assert (
        find_small_groups(PointVotes(torch.from_numpy(residual), torch.from_numpy(states), SCREEN))
        == []
    )


def test_frames_without_anything_have_no_small_objects():
    states = torch.from_numpy(np.random.default_rng(0).integers(0, 256, (50, 6)).astype(np.uint8))
    assert find_small_groups(PointVotes(torch.zeros(50, *SIZE), states, SCREEN)) == []
