"""`python -m atarigan.demo`: the main job from end to end: collect, train, wrap, look."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atarigan.cli import command_line
from atarigan.errors import InputError

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator

PICTURES_PER_S = 15
RATE_BATCH = 256
NUM_RATE_BATCHES = 8


@dataclass(frozen=True)
class DemoArguments:
    """Collect frames of a game, train a GAN on them, and play an episode through the wrapper.

    A second run with the same folder uses the frames that are there and goes on with the training.
    """

    out: str = "demo"
    """Folder for the frames, the run, and the pictures."""
    env_id: str = "ALE/Breakout-v5"
    """The game."""
    policy: str = "scripted"
    """Who plays while frames are collected; see atarigan.collect."""
    num_steps: int = 20_000
    """Agent steps to collect."""
    max_minutes: float = 5.0
    """Minutes of training, those of earlier runs included."""
    recipe: str = "atari"
    """The training recipe."""
    num_episode_steps: int = 300
    """Agent steps shown in the video."""
    seed: int = 0
    """Seed of everything."""


def main(argv: Sequence[str] | None = None) -> int:
    """Parse, then do the four parts; returns the exit status."""
    arguments = command_line.parse(DemoArguments, argv, command="demo")
    for name in ("num_steps", "num_episode_steps"):
        if getattr(arguments, name) < 1:
            flag = "--" + name.replace("_", "-")
            raise InputError(f"{flag} must be at least 1, not {getattr(arguments, name)}")
    out = Path(arguments.out)
    rates = {}
    if (out / "frames" / "meta.json").exists():
        print(f"using the frames in {out / 'frames'}")
        status = command_line.EXIT_OK
    else:
        began = time.perf_counter()
        status = collect_frames(arguments, out / "frames")
        elapsed_s = time.perf_counter() - began
        rates["agent steps collected/s, start included"] = arguments.num_steps / elapsed_s
    status = status or train_generator(arguments, out)
    if status == command_line.EXIT_OK:
        play_episode(arguments, out)
        print(summary(out, rates))
    return status


def collect_frames(arguments: DemoArguments, path: Path) -> int:
    """Fill a new buffer; returns the exit status."""
    from atarigan import collect

    words = {
        "--env-id": arguments.env_id,
        "--out": path,
        "--num-steps": arguments.num_steps,
        "--policy": arguments.policy,
        "--epsilon": 0.2,
        "--seed": arguments.seed,
    }
    status: int = collect.main([str(word) for pair in words.items() for word in pair])
    return status


def train_generator(arguments: DemoArguments, out: Path) -> int:
    """Train, or go on training; returns the exit status."""
    from atarigan import train
    from atarigan.config.recipes import load_recipe

    config = dataclasses.replace(
        load_recipe(arguments.recipe),
        data=str(out / "frames"),
        max_minutes=arguments.max_minutes,
        seed=arguments.seed,
    )
    return train.train(out, config, resume=(out / "config.json").exists())


def play_episode(arguments: DemoArguments, out: Path) -> None:
    """Film an episode whose observations are generated: the game's own screen beside what an agent
    sees.
    """
    import gymnasium as gym

    from atarigan.pictures import grids

    env = gym.make(
        "atarigan/Generated-v0",
        env_id=arguments.env_id,
        generator=str(out),
        latent="walk",
        render="beside",
        render_mode="rgb_array",
    )
    env.reset(seed=arguments.seed)
    env.action_space.seed(arguments.seed)
    film = []
    for _ in range(arguments.num_episode_steps):
        film.append(grids.enlarged(env.render(), 2))  # type: ignore[arg-type]
        _, _, terminated, truncated, _ = env.step(env.action_space.sample())
        if terminated or truncated:
            env.reset()
    env.close()
    for suffix in grids.ANIMATION_SUFFIXES:
        shown = film if suffix == ".mp4" else film[::2][:100]
        grids.save_animation(out / f"episode{suffix}", shown, PICTURES_PER_S)


def summary(out: Path, rates: dict[str, float]) -> str:
    """How fast the parts were, beginning with the rates given, and what there is to look at."""
    from atarigan.models.checkpoint import find_checkpoint, load_training_state
    from atarigan.models.frame_generator import FrameGenerator

    state = load_training_state(find_checkpoint(out))
    frames_per_s = generation_rate(FrameGenerator.load(out))
    rates = rates | {
        "training images/s": state["num_images"] / state["elapsed_s"],
        f"frames generated/s, in batches of {RATE_BATCH}": frames_per_s,
    }
    lines = [f"{rate:10,.0f} {what}" for what, rate in rates.items()]
    pictures = ("training.gif", "real_beside_generated.png", "episode.mp4")
    return "\n".join([*lines, "look at:", *(f"  {out / name}" for name in pictures)])


def generation_rate(generator: "FrameGenerator") -> float:
    """Frames a second, after a first batch that is not counted."""
    generator.sample(RATE_BATCH)
    began = time.perf_counter()
    for seed in range(NUM_RATE_BATCHES):
        generator.sample(RATE_BATCH, seed=seed)
    return NUM_RATE_BATCHES * RATE_BATCH / (time.perf_counter() - began)


if __name__ == "__main__":
    command_line.run(main, command="demo")
