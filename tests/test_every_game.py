"""The main job in every game that ALE has."""

from pathlib import Path

import pytest

from tests.every_game import (
    EVERY_GAME,
    check_frames,
    check_samples,
    collected,
    main_job,
    play_wrapped_episode,
    trained,
)

NATIVE_SIZES = [
    pytest.param("ALE/Breakout-v5", (210, 160), marks=pytest.mark.slow),
    pytest.param("ALE/AirRaid-v5", (250, 160), marks=pytest.mark.slow),
    pytest.param("ALE/Pong-v5", (210, 160), marks=pytest.mark.slow),
    pytest.param("ALE/Carnival-v5", (214, 160), marks=pytest.mark.slow),
    pytest.param("ALE/Pooyan-v5", (220, 160), marks=pytest.mark.slow),
    pytest.param("ALE/JourneyEscape-v5", (230, 160), marks=pytest.mark.slow),
]


@pytest.mark.parametrize(("env_id", "size"), NATIVE_SIZES)
def test_the_main_job_on_screens_of_every_size(
    tmp_path: Path, env_id: str, size: tuple[int, int]
) -> None:
    buffer = collected(tmp_path / "buffer", env_id)
    assert buffer.meta.frame_format.shape == (*size, 1)
    check_frames(buffer)
    generator = trained(buffer, tmp_path / "run")
    assert generator.frame_shape == (*size, 3)
    check_samples(generator)
    play_wrapped_episode(env_id, generator, most_steps=50)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.*is different from the unwrapped version")
@pytest.mark.parametrize("env_id", EVERY_GAME)
def test_the_main_job_in_every_game(tmp_path: Path, env_id: str) -> None:
    main_job(tmp_path, env_id)
