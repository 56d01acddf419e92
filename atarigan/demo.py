"""`python -m atarigan.demo`: collect frames, train a GAN, and film generated observations."""

import dataclasses
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from atarigan.cli import command_line
from atarigan.config.recipes import load_recipe
from atarigan.config.run_config import RunConfig
from atarigan.errors import InputError, flag_of
from atarigan.files import typed_json

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator

PICTURES_PER_S = 15
RATE_BATCH_SIZE = 256
NUM_RATE_BATCHES = 8
MAX_EPISODE_STEPS = 10_000  # the film is in memory, at most 0.8 MB a step


@dataclass(frozen=True)
class DemoArguments:
    """Collect frames of a game, train a GAN on them, and film an episode through the wrapper.

    A second run with the same folder reuses its frames and resumes the training.
    """

    out: str = "demo"
    """Folder for the frames, the run, and the pictures."""
    env_id: str = "ALE/Breakout-v5"
    """Game to collect frames of."""
    policy: str = "scripted"
    """Policy that collects the frames; see atarigan.collect."""
    num_steps: int = 20_000
    """Agent steps to collect."""
    max_minutes: float = 5.0
    """Minutes of training, including those of earlier runs."""
    recipe: str = "atari"
    """Training recipe."""
    num_episode_steps: int = 300
    """Agent steps of the film."""
    seed: int = 0
    """Seed of collection, training and film."""


def main(argv: Sequence[str] | None = None) -> int:
    """Collect, train, film, print the rates; return the exit status."""
    arguments = command_line.parse(DemoArguments, argv, command="demo")
    for name in ("num_steps", "num_episode_steps"):
        if getattr(arguments, name) < 1:
            flag = flag_of(name)
            raise InputError(f"{flag} must be at least 1, not {getattr(arguments, name)}")
    if arguments.num_episode_steps > MAX_EPISODE_STEPS:
        raise InputError(
            f"--num-episode-steps must be at most {MAX_EPISODE_STEPS}, "
            f"not {arguments.num_episode_steps}"
        )
    out = Path(arguments.out)
    config = run_config(arguments)
    rates = {}
    if (out / "frames" / "meta.json").exists():
        use_frames(arguments, out / "frames")
        status = command_line.EXIT_OK
    else:
        from atarigan.train import refuse_occupied

        refuse_occupied(out)
        began = time.perf_counter()
        status = collect_frames(arguments, out / "frames")
        elapsed_s = time.perf_counter() - began
        rates["agent steps collected/s, including startup"] = arguments.num_steps / elapsed_s
    status = status or train_generator(config, out)
    if status == command_line.EXIT_OK:
        play_episode(arguments, out)
        print(summary(out, rates))
    return status


def use_frames(arguments: DemoArguments, path: Path) -> None:
    """Print what the frames of an earlier run are.

    Raises:
        InputError: they are of another game or policy than the flags name.
    """
    from atarigan.data.buffer.frame_buffer import FrameBuffer

    buffer = FrameBuffer.open(path)
    for name in ("env_id", "policy"):
        asked, found = getattr(arguments, name), getattr(buffer.meta.origin, name)
        if asked != found:
            flag = flag_of(name)
            raise InputError(
                f"{flag} must be {found}, as in {path}, not {asked}: name another --out"
            )
    print(
        f"using the frames in {path}: {len(buffer):,} agent steps of {arguments.env_id}, "
        f"policy {arguments.policy}, seed {buffer.meta.origin.seed}"
    )


def collect_frames(arguments: DemoArguments, path: Path) -> int:
    """Collect frames into a new buffer; return the exit status."""
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


def run_config(arguments: DemoArguments) -> RunConfig:
    """Return the configuration of the training.

    Raises:
        InputError: the recipe is unknown or not for frames, or a value is out of range.
    """
    if not arguments.max_minutes > 0:
        raise InputError(f"--max-minutes must be above 0, not {arguments.max_minutes}")
    config = dataclasses.replace(
        load_recipe(arguments.recipe),
        data=str(Path(arguments.out) / "frames"),
        max_minutes=arguments.max_minutes,
        seed=arguments.seed,
    )
    if config.source != "frames":
        raise InputError(
            f"--recipe must be one for frames, not {arguments.recipe!r} for {config.source}"
        )
    return config


def train_generator(config: RunConfig, out: Path) -> int:
    """Train, or resume training; return the exit status."""
    from atarigan.data.sources.buffered_frames import without_unknown_action
    from atarigan.models.model_config import ModelConfig
    from atarigan.training.run import train

    begun = out / "config.json"
    if begun.exists():
        config = dataclasses.replace(
            config, condition=typed_json.read_json(begun, ModelConfig).run.condition
        )
        return train(out, config, resume=True)
    return train(out, without_unknown_action(config))


def play_episode(arguments: DemoArguments, out: Path) -> None:
    """Film an episode with generated observations, next to the real screen."""
    import gymnasium as gym

    from atarigan.pictures import animations, grids

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
    for suffix in animations.SUFFIXES:
        shown = film if suffix == ".mp4" else film[::2][:100]
        animations.save_animation(out / f"episode{suffix}", shown, PICTURES_PER_S)


def summary(out: Path, rates: dict[str, float]) -> str:
    """Return the rates of collection, training and generation, and the pictures to look at."""
    from atarigan.models.checkpoint import find_checkpoint, load_training_state
    from atarigan.models.frame_generator import FrameGenerator

    state = load_training_state(find_checkpoint(out))
    frames_per_s = generation_rate(FrameGenerator.load(out))
    rates = rates | {
        "training images/s": state["num_images"] / state["elapsed_s"],
        f"frames generated/s, in batches of {RATE_BATCH_SIZE}": frames_per_s,
    }
    lines = [f"{rate:10,.0f} {what}" for what, rate in rates.items()]
    pictures = ("training.gif", "real_beside_generated.png", "episode.mp4")
    return "\n".join([*lines, "look at:", *(f"  {out / name}" for name in pictures)])


def generation_rate(generator: "FrameGenerator") -> float:
    """Measure generated frames per second, after a warm-up batch."""
    generator.sample(RATE_BATCH_SIZE)
    began = time.perf_counter()
    for seed in range(NUM_RATE_BATCHES):
        generator.sample(RATE_BATCH_SIZE, seed=seed)
    return NUM_RATE_BATCHES * RATE_BATCH_SIZE / (time.perf_counter() - began)


if __name__ == "__main__":
    command_line.run(main, command="demo")
