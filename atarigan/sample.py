"""`python -m atarigan.sample`: draw from a trained generator, or let a dream play."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from atarigan.cli import command_line
from atarigan.config.machine import check_num_fits
from atarigan.errors import InputError
from atarigan.files import npz_samples
from atarigan.models.model_source import is_dream

if TYPE_CHECKING:
    from atarigan.models.frame_generator import FrameGenerator
    from atarigan.models.latents import Latents

PICTURES_PER_S = 15
_CORNERS_PER_WALK = 8
_STEPS_APART = 16  # agent steps between a dream's frames in a grid or an array


@dataclass(frozen=True)
class SampleArguments:
    """Draw samples from a trained generator.

    A dream plays by itself, with random actions. An animation shows consecutive agent steps, a
    grid or an array every 16th one.
    """

    run: str
    """Folder of a run, a checkpoint or a dream, the name of a shipped model, or
    hf://USER/NAME[@REVISION].
    """
    out: str
    """Output file: .png for a grid, .gif or .mp4 for a walk through the latent space or for the
    game of a dream, .npz for the samples as an array.
    """
    num: int = 64
    """Number of samples, or of pictures of a walk."""
    seed: int = 0
    """Seed of the latents, or of a dream's game and actions."""
    label: int | None = None
    """Class of all samples, for a class-conditional generator. Default: all classes in turn."""


def main(argv: Sequence[str] | None = None) -> int:
    """Load the generator, write the samples; return the exit status."""
    arguments = command_line.parse(SampleArguments, argv, command="sample")
    out = Path(arguments.out)
    if out.suffix not in (".png", ".gif", ".mp4", ".npz"):
        raise InputError(f"--out must end in .png, .gif, .mp4 or .npz, not {arguments.out!r}")
    if arguments.num < 1:
        raise InputError(f"--num must be at least 1, not {arguments.num}")
    if arguments.seed < 0:
        raise InputError(f"--seed must be at least 0, not {arguments.seed}")
    if is_dream(arguments.run):
        sample_dream(arguments)
        print(f"wrote {out}")
        return command_line.EXIT_OK
    from atarigan.models.frame_generator import FrameGenerator

    generator = FrameGenerator.load(arguments.run)
    if arguments.label is not None and not generator.num_classes:
        raise InputError(f"--label needs a generator with classes, and {arguments.run} has none")
    check_memory(generator, out.suffix, arguments.num)
    out.parent.mkdir(parents=True, exist_ok=True)
    num, seed, label = arguments.num, arguments.seed, arguments.label
    labels = None if label is None else [label] * num
    if out.suffix == ".npz":
        write_samples(generator, out, num, seed, labels)
    elif out.suffix == ".png":
        generator.write_grid(out, num, seed, labels)
    else:
        write_walk(generator, out, num, seed, label)
    print(f"wrote {out}")
    return command_line.EXIT_OK


def sample_dream(arguments: SampleArguments) -> None:
    """Let a dream play, and write frames of its states.

    Raises:
        InputError: the dream or its generator is missing or damaged.
    """
    from atarigan.models.dream_frames import dreamt_states, frames_of, generator_of
    from atarigan.models.dynamics.dream import Dream
    from atarigan.pictures import grids
    from atarigan.pictures.animations import save_animation

    if arguments.label is not None:
        raise InputError(f"--label needs a generator with classes, and {arguments.run} is a dream")
    dream, out = Dream.load(arguments.run), Path(arguments.out)
    generator = generator_of(dream)
    check_memory(generator, out.suffix, arguments.num)
    is_animation = out.suffix not in (".npz", ".png")
    steps_apart = 1 if is_animation else _STEPS_APART
    states, joysticks = dreamt_states(dream, arguments.num, steps_apart, arguments.seed)
    frames, note = frames_of(generator, states, joysticks), generator.provenance.note
    out.parent.mkdir(parents=True, exist_ok=True)
    if out.suffix == ".npz":
        npz_samples.write_samples(out, frames, note)
        return
    frames = generator.frame_format.to_rgb(frames)
    height, width = generator.frame_shape[:2]
    if is_animation:
        scale = grids.scale_for(height, width, target=336)
        game = (grids.enlarged(frame, scale) for frame in frames)
        save_animation(out, game, PICTURES_PER_S, note)
    else:
        grids.save_picture(out, grids.grid(frames, scale=grids.scale_for(height, width)), note)


def check_memory(generator: "FrameGenerator", suffix: str, num: int) -> None:
    """Raise InputError if memory does not hold samples and, for a picture, the enlarged picture."""
    from atarigan.pictures import grids

    needed = 4 * generator.latent_size + 4 * math.prod(generator.sample_shape)
    if generator.makes_frames and suffix != ".npz":
        height, width, _ = generator.frame_shape
        scale = grids.scale_for(height, width)
        needed += 3 * height * width * (1 + 2 * scale**2)
    check_num_fits(num, needed)


def write_samples(
    generator: "FrameGenerator", path: Path, num: int, seed: int, labels: Sequence[int] | None
) -> None:
    """Write samples as NPZ: `frames` uint8 (num, H, W, C), or `points` float32 (num, 2), with their
    provenance in the comment of the archive.
    """
    if generator.makes_frames:
        samples: npt.NDArray[Any] = generator.sample(num, seed, labels)
    else:
        samples = generator.sample_points(num, seed)
    npz_samples.write_samples(path, samples, generator.provenance.note)


def write_walk(
    generator: "FrameGenerator", path: Path, num: int, seed: int, label: int | None
) -> None:
    """Write an animation of frames along a closed path of the latent, within one class for
    class-conditional generators.
    """
    from atarigan.pictures import grids
    from atarigan.pictures.animations import save_animation

    frame_format = generator.frame_format
    scale = grids.scale_for(frame_format.height, frame_format.width, target=336)
    has_classes = label is not None or generator.num_classes
    conditions: Any = generator.conditions([label or 0] * num) if has_classes else None
    frames = frame_format.to_rgb(generator.decode(latent_loop(generator, num, seed), conditions))
    walk = (grids.enlarged(frame, scale) for frame in frames)
    save_animation(path, walk, PICTURES_PER_S, generator.provenance.note)


def latent_loop(generator: "FrameGenerator", num: int, seed: int) -> "Latents":
    """Return latents (num, latent_size) on a closed path through random corners.

    Between two corners, the path is cos(a) · start + sin(a) · end with a from 0 to π/2, which keeps
    the variance of independent corners. Latents of a bounded prior are clipped to its range.
    """
    corners = generator.latents(_CORNERS_PER_WALK, seed)
    position = np.arange(num) * _CORNERS_PER_WALK / num
    start = position.astype(int)
    angle = (position - start)[:, None] * np.pi / 2
    following = corners[(start + 1) % _CORNERS_PER_WALK]
    latents = np.cos(angle) * corners[start] + np.sin(angle) * following
    if generator.latent_distribution != "normal":
        latents = latents.clip(0 if generator.latent_distribution == "unit" else -1, 1)
    loop: Latents = latents.astype(np.float32)
    return loop


if __name__ == "__main__":
    command_line.run(main, command="sample")
