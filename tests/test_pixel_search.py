"""The search for pixels that few parts of a state determine."""

import numpy as np
import pytest
import torch

from atarigan.models.families.pixel_terms import PixelTerms
from atarigan.models.search.pixel_search import find_pixels

SIZE = (12, 20)


def scoreboards(num, rng, *, most=10):
    """Bricks in the first row that bits of byte 0 show, a digit in the second that the high half of
    byte 1 chooses, a dot in the third that the whole of byte 2 moves, and noise in the fourth.
    """
    states = rng.integers(0, 256, (num, 3)).astype(np.uint8)
    states[:, 1] = rng.integers(0, most, num) << 4 | rng.integers(0, 16, num)
    shapes = np.random.default_rng(7).integers(0, 2, (10, 3)) * 0.6
    frames = np.zeros((num, *SIZE), np.float32)
    frames[:, 0, :8] = (states[:, :1] >> np.arange(8) & 1) * 0.5
    frames[:, 0, 8] = 0.25 * frames[:, 0, 0] + 0.75 * frames[:, 0, 5]
    frames[:, 1, :3] = shapes[states[:, 1] >> 4]
    columns = np.random.default_rng(5).permutation(256) // 13
    frames[np.arange(num), 2, columns[states[:, 2]]] = 1.0
    frames[:, 3] = rng.normal(size=(num, 20)) * 0.3
    return torch.from_numpy(frames), torch.from_numpy(states)


def drawn(found, states):
    terms = PixelTerms(*SIZE, num_bytes=3)
    terms.fit(found, torch.zeros(SIZE))
    with torch.no_grad():
        images = torch.zeros(len(states), SIZE[0] * SIZE[1])
        return terms(images, states).view(-1, *SIZE)


def test_bricks_and_their_mixtures_are_found_and_hold_in_new_combinations():
    shown, states = scoreboards(2000, np.random.default_rng(0))
    is_seen = states[:, 0] < 192
    found = find_pixels(shown[is_seen], states[is_seen])
    assert set(range(9)) <= set(found.pixels.tolist())
    error = (drawn(found, states[~is_seen]) - shown[~is_seen]).abs()
    assert error[:, 0, [0, 1, 2, 3, 4, 5, 8]].max() < 0.02


def test_what_moves_and_noise_are_left_to_others():
    found = find_pixels(*scoreboards(2000, np.random.default_rng(0)))
    assert set((found.pixels // 20).tolist()) <= {0, 1}


@pytest.mark.parametrize("most", [4, 10])
def test_digits_are_drawn_exactly_however_many_values_they_have(most):
    shown, states = scoreboards(2000, np.random.default_rng(0), most=most)
    found = find_pixels(shown, states)
    varying = (20 + torch.nonzero(shown[:, 1, :3].std(0) > 0)[:, 0]).tolist()
    assert set(varying) <= set(found.pixels[found.is_determined].tolist())
    error = (drawn(found, states) - shown).abs()
    assert error[:, 1, :3].max() < 0.02


def test_training_leaves_pixels_alone_that_are_right():
    shown, states = scoreboards(500, np.random.default_rng(0))
    found = find_pixels(shown, states)
    terms = PixelTerms(*SIZE, num_bytes=3)
    terms.fit(found, torch.zeros(SIZE))
    noise = torch.nn.Parameter(torch.full((SIZE[0] * SIZE[1],), 0.1))
    shown = shown.flatten(1)
    optimizer = torch.optim.Adam([*terms.parameters(), noise], 0.1)
    for _ in range(5):
        optimizer.zero_grad()
        images = terms(noise.repeat(500, 1), states)
        (images - shown).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        error = (terms(noise.repeat(500, 1), states) - shown).abs()
    assert len(found.pixels[found.is_determined]) >= 8
    assert error[:, found.pixels[found.is_determined]].max() < 0.02


def test_in_few_frames_nothing_is_found():
    assert len(find_pixels(*scoreboards(40, np.random.default_rng(0))).pixels) == 0


def test_constant_states_and_empty_frames_have_no_such_pixels():
    shown, states = scoreboards(200, np.random.default_rng(0))
    for frames, of_frames in ((shown, torch.zeros_like(states)), (0 * shown, states)):
        found = find_pixels(frames, of_frames)
        assert len(found.pixels) == 0
        assert not (drawn(found, of_frames)).any()
