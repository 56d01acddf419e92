"""The search for pixels that few parts of a state determine."""

import numpy as np
import pytest
import torch

from atarigan.models.families.pixel_terms import PixelTerms
from atarigan.models.search import pixel_search
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
    terms = PixelTerms(*SIZE, num_bytes=3, num_features=2)
    terms.fit(found, torch.zeros(SIZE))
    with torch.no_grad():
        images, features = torch.zeros(len(states), SIZE[0] * SIZE[1]), torch.ones(len(states), 2)
        return terms(images, features, states).view(-1, *SIZE)


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
    terms = PixelTerms(*SIZE, num_bytes=3, num_features=2)
    terms.fit(found, torch.zeros(SIZE))
    features = torch.randn(500, 2)
    noise = torch.nn.Parameter(torch.full((SIZE[0] * SIZE[1],), 0.1))
    shown = shown.flatten(1)
    optimizer = torch.optim.Adam([*terms.parameters(), noise], 0.1)
    for _ in range(5):
        optimizer.zero_grad()
        images = terms(noise.repeat(500, 1), features, states)
        (images - shown).square().mean().backward()
        optimizer.step()
    with torch.no_grad():
        error = (terms(noise.repeat(500, 1), features, states) - shown).abs()
    assert len(found.pixels[found.is_determined]) >= 8
    assert error[:, found.pixels[found.is_determined]].max() < 0.02


def mushrooms(num, rng):
    """Eight mushrooms that bits show, in a color that byte 1 chooses of four; in 0.06 of the frames
    something white passes in front of each. In the second row, three bits choose a column, so
    that each of them explains a part of each pixel.

    Returns:
        frames, states, and the color of each frame.
    """
    states = rng.integers(0, 256, (num, 3)).astype(np.uint8)
    states[:, 1] = rng.integers(0, 4, num)
    colors = np.array([0.2, 0.5, 0.8, 1.1])[states[:, 1]]
    frames = np.zeros((num, *SIZE), np.float32)
    frames[:, 0, :8] = (states[:, :1] >> np.arange(8) & 1) * colors[:, None]
    frames[:, 0, :8][rng.random((num, 8)) < 0.06] = 1.5
    column = (states[:, 0] >> 7) + (states[:, 2] & 1) * 2 + (states[:, 2] >> 7) * 4
    frames[np.arange(num), 1, column] = 1.0
    return torch.from_numpy(frames), torch.from_numpy(states), torch.from_numpy(colors).float()


def test_a_brick_is_found_whose_color_changes_and_that_is_passed():
    shown, states, _ = mushrooms(2000, np.random.default_rng(0))
    found = find_pixels(shown, states)
    assert found.pixels[:8].tolist() == list(range(8))
    assert found.explained[:8].max() < 0.8
    masks = found.fields.mask[found.terms[:8, 0]].tolist()
    assert masks == [1 << bit for bit in range(8)]


def test_a_place_that_some_bits_tell_together_is_left_to_others():
    shown, states, _ = mushrooms(2000, np.random.default_rng(0))
    assert find_pixels(shown, states).pixels.max() < 20


def test_half_a_byte_must_explain_as_much_as_before():
    """The numbers 0 to 15 choose a color, and noise is a third of the pixel's variance."""
    rng = np.random.default_rng(0)
    states = rng.integers(0, 256, (2000, 3)).astype(np.uint8)
    colors = np.random.default_rng(1).permutation(16)[states[:, 0] & 15] / 15
    shown = np.zeros((2000, *SIZE), np.float32)
    shown[:, 0, 0] = colors + rng.normal(size=2000) * 0.2
    assert len(find_pixels(torch.from_numpy(shown), torch.from_numpy(states)).pixels) == 0


def test_exact_bricks_come_before_many_that_a_bit_explains_a_little(monkeypatch):
    monkeypatch.setattr(pixel_search, "MAX_PIXELS", 8)
    shown, states, _ = mushrooms(2000, np.random.default_rng(0))
    shown = shown / 4
    flashes = (states[:, 2:] >> 3 & 1) + torch.randn(2000, 20) * 0.7
    shown[:, 5] = flashes * 0.3
    shown[:, 0, :8] = (states[:, :1].int() >> torch.arange(8) & 1) * 0.4
    assert find_pixels(shown, states).pixels.tolist() == list(range(8))


def test_the_color_of_bricks_is_learned_for_combinations_that_never_occurred():
    shown, states, colors = mushrooms(4000, np.random.default_rng(0))
    found = find_pixels(shown[:2000], states[:2000])
    terms = PixelTerms(*SIZE, num_bytes=3, num_features=4)
    terms.fit(found, torch.zeros(SIZE))
    features = torch.nn.functional.one_hot(states[:, 1].long(), 4).float()
    optimizer = torch.optim.Adam(terms.parameters(), 0.02)

    def errors(some):
        images = torch.zeros(len(states), SIZE[0] * SIZE[1])[some]
        drawn = terms(images, features[some], states[some])[:, :8]
        bits = states[some, :1].int() >> torch.arange(8) & 1
        return (drawn - bits * colors[some, None]).abs()

    with torch.no_grad():
        assert errors(slice(2000, None)).max() > 0.3
    for _ in range(300):
        optimizer.zero_grad()
        errors(slice(2000)).mean().backward()
        optimizer.step()
    with torch.no_grad():
        assert errors(slice(2000, None)).mean() < 0.02


def test_a_file_without_shades_is_read_and_can_learn_some():
    shown, states, _ = mushrooms(2000, np.random.default_rng(0))
    found = find_pixels(shown, states)
    terms, loaded = (PixelTerms(*SIZE, num_bytes=3, num_features=2) for _ in range(2))
    terms.fit(found, torch.zeros(SIZE))
    weights = {name: each for name, each in terms.state_dict().items() if "shad" not in name}
    loaded.load_state_dict(weights)
    images, features = torch.rand(2000, SIZE[0] * SIZE[1]), torch.randn(2000, 2)
    with torch.no_grad():
        torch.testing.assert_close(
            loaded(images.clone(), features, states), terms(images.clone(), features, states)
        )
    loaded(images, features, states).square().sum().backward()
    assert (loaded.shades.grad != 0).any()


def test_in_few_frames_nothing_is_found():
    assert len(find_pixels(*scoreboards(40, np.random.default_rng(0))).pixels) == 0


def test_constant_states_and_empty_frames_have_no_such_pixels():
    shown, states = scoreboards(200, np.random.default_rng(0))
    for frames, of_frames in ((shown, torch.zeros_like(states)), (0 * shown, states)):
        found = find_pixels(frames, of_frames)
        assert len(found.pixels) == 0
        assert not (drawn(found, of_frames)).any()
