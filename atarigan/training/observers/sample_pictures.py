"""Pictures of generated samples during a run, always of the same latents."""

import time

import imageio.v3 as iio
import numpy as np
import numpy.typing as npt
import torch

from atarigan.files.npz_samples import write_samples
from atarigan.images.pixels import Frames, floats_to_frames
from atarigan.pictures import animations, grids
from atarigan.pictures.points import SQUARE, WIDE, PointCanvas
from atarigan.training.fixed_samples import FixedSamples
from atarigan.training.measurements import critic_accuracy
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

NUM_SHOWN, NUM_POINTS = 64, 1000
NUM_PAIRED = 16
SMALL, LARGE = 84, 168
IMAGES_PER_S, POINTS_PER_S = 8, 10
MAX_PICTURES = 300
NUM_IN_ANY_CASE, MAX_TIME_SHARE = 20, 0.1


class SamplePictures(Observer):
    """Draws samples of the averaged generator every `sample_every` images, and an animation of them
    at the end.

    After the first twenty, pictures of images are skipped where they would take more than a tenth
    of the training time, as on a GPU that trains on hundreds of thousands of images a second.
    Pictures after the state that a run goes on from, on `--resume` or after a rollback, are
    removed.
    """

    end_phase = "drawing samples and their animation"

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        config = trainer.config
        self._every = config.sample_every
        self._shows_points = trainer.model.sample.frame_format is None
        self._fixed_samples = FixedSamples(trainer, num_shown(trainer), config.seed + 1)
        self._canvas = canvas_of(trainer) if self._shows_points else None
        self._num_critic_updates = 0
        self._num_drawn, self._spent_s = 0, 0.0
        self._drop_after(trainer.num_images)

    def _drop_after(self, num_images: int) -> None:
        last = self._folder.samples(num_images).stem
        for path in self._folder.all_samples():
            if path.stem.removesuffix("-critic") > last:
                path.unlink()
                path.with_suffix(".npz").unlink(missing_ok=True)

    def after_critic_update(self, trainer: Trainer) -> None:
        """Draw the critic's progress within a step whose end will be drawn."""
        config = trainer.config
        self._num_critic_updates += 1
        num_pictures = min(config.critic_pictures, config.critic_steps)
        if not (num_pictures and self._canvas and will_cross(trainer, self._every)):
            return
        before, after = (
            updates * num_pictures // config.critic_steps
            for updates in (self._num_critic_updates - 1, self._num_critic_updates)
        )
        if before != after:
            num_images = trainer.num_images + self._num_critic_updates * config.batch_size
            path = self._folder.samples(num_images, in_critic=True)
            grids.save_picture(path, self._picture(trainer, self._samples(trainer), num_images))

    def after_step(self, trainer: Trainer) -> None:
        self._num_critic_updates = 0
        if self._every and crossed(trainer, self._every) and self._has_time(trainer):
            began = time.perf_counter()
            self.draw(trainer)
            self._num_drawn += 1
            self._spent_s += time.perf_counter() - began

    def _has_time(self, trainer: Trainer) -> bool:
        is_cheap = self._shows_points or self._spent_s <= MAX_TIME_SHARE * trainer.elapsed_s
        return is_cheap or self._num_drawn < NUM_IN_ANY_CASE

    def after_rollback(self, trainer: Trainer) -> None:
        self._num_critic_updates = 0
        self._drop_after(trainer.num_images)

    def at_end(self, trainer: Trainer) -> None:
        self.draw(trainer)
        self._animate()

    def draw(self, trainer: Trainer) -> None:
        """Draw the generator's samples now, and images next to real ones."""
        samples = self._samples(trainer)
        path = self._folder.samples(trainer.num_images)
        grids.save_picture(path, self._picture(trainer, samples, trainer.num_images))
        if trainer.config.save_arrays:
            write_samples(path.with_suffix(".npz"), samples, trainer.model.provenance.note)
        if not self._shows_points:
            real = next(trainer.source.batches(NUM_PAIRED, trainer.config.seed + 1)).samples
            left, right = (
                frame_grid(trainer, frames, pixels=LARGE) for frames in (real, samples[:NUM_PAIRED])
            )
            both = grids.side_by_side(left, right, ("real", "generated"))
            grids.save_picture(self._folder.real_beside_generated, both)

    def _samples(self, trainer: Trainer) -> npt.NDArray[np.generic]:
        """Samples of the averaged generator, uint8 (N, H, W, C) or float32 (N, 2)."""
        samples = self._fixed_samples.draw(trainer)
        if not self._shows_points:
            samples = floats_to_frames(samples)
        array: npt.NDArray[np.generic] = samples.cpu().numpy()
        return array

    def _picture(
        self, trainer: Trainer, samples: npt.NDArray[np.generic], num_images: int
    ) -> Frames:
        if self._canvas is not None:
            return point_picture(self._canvas, trainer, samples, num_images)
        return frame_grid(trainer, samples, columns=trainer.model.num_classes)

    def _animate(self) -> None:
        paths = self._folder.all_samples()
        if len(paths) > MAX_PICTURES:
            chosen = np.linspace(0, len(paths) - 1, MAX_PICTURES).round().astype(int)
            paths = [paths[number] for number in chosen]
        frames = [np.asarray(iio.imread(path)) for path in paths]
        same_size = [frame for frame in frames if frame.shape == frames[-1].shape]
        pictures_per_s = POINTS_PER_S if self._shows_points else IMAGES_PER_S
        for suffix in filter(animations.can_save, animations.SUFFIXES):
            path = self._folder.animation(suffix)
            animations.save_animation(path, same_size, pictures_per_s)


def num_shown(trainer: Trainer) -> int:
    """How many samples a picture shows; where there are classes, whole rows with a column each."""
    if trainer.model.sample.frame_format is None:
        return NUM_POINTS
    num_columns = trainer.model.num_classes or 8
    return max(1, NUM_SHOWN // num_columns) * num_columns


def crossed(trainer: Trainer, every: int) -> bool:
    """Whether the last step took the number of images past a multiple of `every`."""
    return trainer.num_images // every != (trainer.num_images - trainer.images_per_step) // every


def will_cross(trainer: Trainer, every: int) -> bool:
    """Whether the step in progress will do so."""
    after = trainer.num_images + trainer.images_per_step
    return every > 0 and trainer.num_images // every != after // every


def canvas_of(trainer: Trainer) -> PointCanvas:
    """Axes with the source's points. A curve over x is drawn wide, as it was published."""
    num = min(trainer.source.num_samples, 6000)
    real = next(trainer.source.batches(num, trainer.config.seed)).samples
    return PointCanvas(real, WIDE if trainer.config.source == "sine" else SQUARE)


@torch.inference_mode()
def point_picture(
    canvas: PointCanvas, trainer: Trainer, samples: npt.NDArray[np.generic], num_images: int
) -> Frames:
    """Generated points, colored by the critic's classification, over the critic's field."""
    points = np.asarray(samples, np.float32)
    updates = trainer.updates
    if updates.outputs is None:
        return canvas.draw(points)
    device, objective = trainer.plan.device, updates.objective
    logits, field = (
        updates.critic_logits(torch.from_numpy(array).to(device), None).float()
        for array in (points, canvas.field_points())
    )
    boundary = objective.boundary_between(*updates.outputs)
    relative = (boundary - field) if objective.needs_energy else (field - boundary)
    epoch = num_images / trainer.source.num_samples
    accuracy = critic_accuracy(trainer)["accuracy"]
    text = (
        f"epoch {epoch:,.0f}   critic accuracy {accuracy:.0%}   "
        f"{num_images:,} points   {trainer.elapsed_s:,.0f} s"
    )
    looks_real = objective.looks_real(logits, *updates.outputs)
    return canvas.draw(points, looks_real.cpu().numpy(), relative.cpu().numpy(), text)


def frame_grid(
    trainer: Trainer, samples: npt.NDArray[np.generic], pixels: int = SMALL, columns: int = 0
) -> Frames:
    """Frames as RGB in a grid.

    Args:
        pixels: approximate size of a frame's shorter side on the screen.
        columns: frames in a row; 0 makes the grid as square as possible.
    """
    frame_format = trainer.model.sample.frame_format
    assert frame_format is not None
    scale = grids.scale_for(frame_format.height, frame_format.width, target=pixels)
    return grids.grid(frame_format.to_rgb(np.asarray(samples, np.uint8)), columns, scale)
