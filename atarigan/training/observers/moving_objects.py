"""What a generator found to move in frames: printed, kept as JSON, and drawn."""

import json
from math import isfinite

import cv2
import numpy as np

from atarigan.files import atomic
from atarigan.images.pixels import Frames, gray_to_rgb
from atarigan.models.search.positions import (
    FoundGroups,
    MovingGroup,
    PositionByte,
)
from atarigan.pictures.grids import grid, padded, save_picture, scale_for, titled
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Observer, Trainer

_COLORS = ((255, 80, 80), (80, 220, 80), (90, 140, 255), (255, 220, 60), (240, 90, 240))


class MovingObjects(Observer):
    """Prints the groups that move and the regions that change their color, and writes
    positions.json and positions.png, at the start, whenever the generator was extended, and at the
    end. Each group and region is printed once.

    Args:
        folder: of the run.
        trainer: of the run.
    """

    def __init__(self, folder: RunFolder, trainer: Trainer) -> None:
        self._folder = folder
        self._printed: set[tuple[object, ...]] = set()
        self._report(trainer)

    def after_step(self, trainer: Trainer) -> None:
        if trainer.updates.generator.num_extensions != self._num_extensions:
            self._report(trainer)

    def after_rollback(self, trainer: Trainer) -> None:
        self.after_step(trainer)

    def at_end(self, trainer: Trainer) -> None:
        self._report(trainer)

    def _report(self, trainer: Trainer) -> None:
        generator = trainer.updates.generator
        self._num_extensions = generator.num_extensions
        found = generator.moving_groups()
        if found is None:
            return
        for region in found.regions:
            key = region.usual, region.color_byte, region.on_bytes
            if key not in self._printed:
                self._printed.add(key)
                print(f"found: {region}")
        for group in found.groups:  # an extension drops some, so their number tells nothing
            window = group.top, group.height, group.left, group.width
            if (group.row, group.column, window) not in self._printed:
                self._printed.add((group.row, group.column, window))
                print(f"found: {group}")
        self._folder.positions.parent.mkdir(parents=True, exist_ok=True)
        with atomic.new_file(self._folder.positions) as temporary:
            text = json.dumps(as_table(found), indent=1, allow_nan=False)
            temporary.write_text(text + "\n", encoding="utf-8")
        save_picture(self._folder.positions_picture, picture(found, trainer))


def as_table(found: FoundGroups) -> dict[str, object]:
    """Return what was found, without the patches, as JSON takes it."""

    def position(axis: PositionByte) -> dict[str, object] | None:
        if not axis.moves:
            return None
        return {"byte": axis.byte, "decoder": axis.decoder}

    return {
        "lines": found.grid[0],
        "columns": found.grid[1],
        "groups": [
            {
                "row": position(group.row),
                "column": position(group.column),
                "window": [group.top, group.left, group.height, group.width],
                "share": round(group.share, 5),
                # Earlier versions kept groups of infinite consistency in their checkpoints.
                "consistency": round(group.consistency, 4) if isfinite(group.consistency) else None,
            }
            for group in found.groups
        ],
        "regions": [
            {
                "pixels": len(region.pixels),
                "color_byte": region.color_byte,
                "on_bytes": list(dict.fromkeys(region.on_bytes)),
                "share": round(region.share, 5),
                "right": round(region.right, 4),
            }
            for region in found.regions
        ],
        "tables": [
            {"of": ("rows", "columns")[axis], "positions": positions.tolist()}
            for axis, positions in found.tables
        ],
    }


def picture(found: FoundGroups, trainer: Trainer) -> Frames:
    """Draw a real frame with a box where the bytes of its state place each group, and each group's
    mean picture, RGB (H, W, 3).
    """
    source = trainer.source
    which = np.array([source.num_samples // 2])
    frame, states = source.samples_at(which)[0], source.conditions_at(which)
    assert states is not None
    height, width = frame.shape[:2]
    scale = max(2, scale_for(height, width, 336))
    shown = gray_to_rgb(frame) if frame.shape[2] == 1 else frame
    shown = np.ascontiguousarray(shown.repeat(scale, 0).repeat(scale, 1))
    sizes = (height * scale / found.grid[0], width * scale / found.grid[1])
    for number, group in enumerate(found.groups):
        _draw_box(shown, group, states[0], found, sizes, _COLORS[number % len(_COLORS)])
    patches = [_patch(group, found.grid, sizes) for group in found.groups]
    cells = [titled(shown, "real frame: positions from RAM")]
    cells += [
        titled(each, f"{group.row}, {group.column}")
        for each, group in zip(patches, found.groups, strict=True)
    ]
    tall, wide = (max(each.shape[axis] for each in cells) for axis in (0, 1))
    return grid(np.stack([padded(each, tall, wide) for each in cells]))


def _draw_box(
    shown: Frames,
    group: MovingGroup,
    state: Frames,
    found: FoundGroups,
    sizes: tuple[float, float],
    color: tuple[int, int, int],
) -> None:
    corner = []
    for axis, first, length in zip(
        (group.row, group.column), (group.top, group.left), found.grid, strict=True
    ):
        by = axis.positions(found.tables)[state[axis.byte]]
        if np.isnan(by):
            return
        corner.append((first + by) % length)
    top, left = (int(each * size) for each, size in zip(corner, sizes, strict=True))
    bottom, right = top + int(group.height * sizes[0]), left + int(group.width * sizes[1])
    for down in (0, shown.shape[0]):  # a window that reaches over an edge goes on at the other side
        for across in (0, shown.shape[1]):
            low, high = (left - across, top - down), (right - across, bottom - down)
            cv2.rectangle(shown, low, high, color)


def _patch(group: MovingGroup, screen: tuple[int, int], sizes: tuple[float, float]) -> Frames:
    """A group's mean picture in gray, at its place at position 0."""
    most = max(float(np.abs(group.patch).max()), 1e-9)
    levels = np.full(screen, 128, np.uint8)
    levels[: group.height, : group.width] = (128 + 127 * group.patch / most).astype(np.uint8)
    levels = np.roll(levels, (group.top, group.left), (0, 1))
    size = (int(screen[1] * sizes[1]), int(screen[0] * sizes[0]))
    return gray_to_rgb(np.asarray(cv2.resize(levels, size, interpolation=0), np.uint8)[..., None])
