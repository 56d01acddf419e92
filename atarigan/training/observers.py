"""What looks at a training run between its steps: checkpoints, pictures, logs, progress."""

import time

import imageio.v3 as iio
import numpy as np
import torch
from torch import Tensor

from atarigan import pictures
from atarigan.pixels import Frames, floats_to_frames
from atarigan.progress import ProgressDisplay
from atarigan.training.checkpoint import save_checkpoint
from atarigan.training.latents import draw_latents
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

NUM_SHOWN = 64
NUM_BESIDE = 16
SMALL, LARGE = 84, 168
_ANIMATION_PICTURES_PER_S = 8
_STEPS_BETWEEN_SCALARS = 25


class Checkpointer(Observer):
    """Saves a checkpoint every so many seconds, and one at the end."""

    def __init__(self, folder: RunFolder, every_s: float) -> None:
        self._folder = folder
        self._every_s = every_s
        self._last_s = time.monotonic()

    def after_step(self, trainer: Trainer) -> None:
        if self._every_s and time.monotonic() - self._last_s >= self._every_s:
            self.save(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self.save(trainer)

    def save(self, trainer: Trainer) -> None:
        weights = trainer.average.averaged.state_dict()
        save_checkpoint(self._folder.path, trainer.model, weights, trainer.state_dict())
        self._last_s = time.monotonic()


class SamplePictures(Observer):
    """Draws samples of the averaged generator from fixed latents every so many images, and the
    animation of them at the end.
    """

    def __init__(self, folder: RunFolder, every: int) -> None:
        self._folder = folder
        self._every = every
        self._latents: Tensor | None = None

    def after_step(self, trainer: Trainer) -> None:
        if self._every and crossed(trainer, self._every):
            self.draw(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self.draw(trainer)
        self._animate()

    def draw(self, trainer: Trainer) -> None:
        samples = generated_samples(trainer, self._fixed_latents(trainer))
        picture = sample_picture(trainer, samples)
        pictures.save_picture(self._folder.samples(trainer.num_images), picture)
        if trainer.model.sample.frame_format is not None:
            real = next(trainer.source.batches(NUM_BESIDE, trainer.config.seed + 1)).samples
            left, right = (
                sample_picture(trainer, frames, pixels=LARGE)
                for frames in (real, samples[:NUM_BESIDE])
            )
            both = pictures.beside(left, right, ("real", "generated"))
            pictures.save_picture(self._folder.real_beside_generated, both)

    def _fixed_latents(self, trainer: Trainer) -> Tensor:
        if self._latents is None:
            config = trainer.config
            rng = torch.Generator(trainer.plan.device).manual_seed(config.seed + 1)
            self._latents = draw_latents(NUM_SHOWN, config.latent_size, config.latent_prior, rng)
        return self._latents

    def _animate(self) -> None:
        frames = [np.asarray(iio.imread(path)) for path in self._folder.all_samples()]
        same_size = [frame for frame in frames if frame.shape == frames[-1].shape]
        for suffix in pictures.ANIMATION_SUFFIXES:
            path = self._folder.animation(suffix)
            pictures.save_animation(path, same_size, _ANIMATION_PICTURES_PER_S)


class TensorboardLog(Observer):
    """Losses, critic outputs, rate, and the newest sample picture, for TensorBoard; counted in
    images.
    """

    def __init__(self, folder: RunFolder) -> None:
        from torch.utils.tensorboard import SummaryWriter  # takes two seconds to import

        self._folder = folder
        self._writer = SummaryWriter(folder.tensorboard)
        self._shown: str | None = None

    def after_step(self, trainer: Trainer) -> None:
        if trainer.num_steps % _STEPS_BETWEEN_SCALARS == 0:
            self.write(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self.write(trainer)
        self._writer.close()

    def write(self, trainer: Trainer) -> None:
        values = {f"losses/{name}": value.item() for name, value in trainer.losses.items()}
        if trainer.outputs is not None:
            for name, logits in zip(("real", "fake"), trainer.outputs, strict=True):
                values[f"outputs/{name}"] = logits.mean().item()
        values["rates/images_per_s"] = trainer.num_images / max(trainer.elapsed_s, 1e-9)
        for name, value in values.items():
            self._writer.add_scalar(name, value, trainer.num_images)
        samples = self._folder.all_samples()
        if samples and samples[-1].name != self._shown:
            self._shown = samples[-1].name
            picture = np.asarray(iio.imread(samples[-1]))
            self._writer.add_image("samples", picture, trainer.num_images, dataformats="HWC")


class ProgressBar(Observer):
    """Shows images, their rate, and the time left."""

    def __init__(self, display: ProgressDisplay) -> None:
        self._display = display

    def after_step(self, trainer: Trainer) -> None:
        self._display.update(trainer.num_images)


def crossed(trainer: Trainer, every: int) -> bool:
    """Whether the last step took the number of images past a multiple of `every`."""
    num_new = trainer.config.critic_steps * trainer.config.batch_size
    return trainer.num_images // every != (trainer.num_images - num_new) // every


@torch.inference_mode()
def generated_samples(trainer: Trainer, latents: Tensor) -> np.ndarray:
    """Samples of the averaged generator, uint8 (N, H, W, C) or float32 (N, 2)."""
    samples = trainer.average.averaged(latents, conditions_in_turn(trainer, len(latents)))
    if trainer.model.sample.frame_format is not None:
        samples = floats_to_frames(samples)
    array: np.ndarray = samples.cpu().numpy()
    return array


def conditions_in_turn(trainer: Trainer, num: int) -> Tensor | None:
    """Conditions (num, K) in which classes take turns; None where there are none."""
    shape = trainer.model.sample.condition_shape
    if shape is None:
        return None
    (num_classes,) = shape
    return torch.eye(num_classes, device=trainer.plan.device)[torch.arange(num) % num_classes]


def sample_picture(trainer: Trainer, samples: np.ndarray, pixels: int = SMALL) -> Frames:
    """Samples as a person looks at them: a grid of frames, or a scatter plot of points.

    Args:
        pixels: about how many on the screen the shorter side of a frame takes.
    """
    frame_format = trainer.model.sample.frame_format
    if frame_format is None:
        return pictures.scatter(samples)
    scale = pictures.scale_for(frame_format.height, frame_format.width, target=pixels)
    return pictures.grid(frame_format.to_rgb(samples), scale=scale)
