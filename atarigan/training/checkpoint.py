"""Checkpoints: self-contained folders, written so that a crash leaves either the old one or the new
one.

```
runs/breakout/checkpoints/images-000000640000/
  config.json             the run's configuration and what a sample is
  generator.safetensors   the averaged generator's weights
  training_state.pt       what `--resume` needs; loads with torch.load(weights_only=True)
```
"""

import os
import pickle
import shutil
import warnings
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from atarigan import typed_json
from atarigan.errors import InputError
from atarigan.run_config import ModelConfig

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "generator.safetensors"
STATE_FILE = "training_state.pt"


def checkpoints_of(run: Path) -> list[Path]:
    """The complete checkpoints of a run folder, oldest first."""
    return sorted(
        folder
        for folder in (run / "checkpoints").glob("images-*")
        if (folder / CONFIG_FILE).is_file()
    )


def save_checkpoint(
    run: Path, model: ModelConfig, weights: dict[str, Tensor], state: dict[str, Any], keep: int = 2
) -> Path:
    """Write a checkpoint under a temporary name, flush it, rename it, and remove all but the newest
    `keep`.

    Raises:
        OSError: the disk is full or may not be written; older checkpoints stay.
    """
    folder = run / "checkpoints" / f"images-{state['num_images']:012d}"
    temporary = folder.with_name(f"new-{folder.name}")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    contiguous = {name: weight.contiguous().cpu() for name, weight in weights.items()}
    try:
        typed_json.write_json(temporary / CONFIG_FILE, model)
        save_file(contiguous, temporary / WEIGHTS_FILE)
        torch.save(state, temporary / STATE_FILE)
    except (RuntimeError, SafetensorError) as error:  # how torch and safetensors report a full disk
        raise OSError(f"{temporary} cannot be written: {error}") from error
    for path in (*temporary.iterdir(), temporary):
        _flush(path)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    _flush(folder.parent)
    for old in checkpoints_of(run)[:-keep]:
        shutil.rmtree(old)
    return folder


def find_checkpoint(path: Path) -> Path:
    """The checkpoint that a path means: itself, or the newest of a run folder.

    Raises:
        InputError: there is none.
    """
    if (path / WEIGHTS_FILE).is_file():
        return path
    found = checkpoints_of(path)
    if not found:
        problem = "holds no checkpoint" if path.is_dir() else "does not exist"
        raise InputError(f"{path} {problem}: expected a folder that atarigan.train wrote")
    return found[-1]


def load_model_config(checkpoint: Path) -> ModelConfig:
    """A checkpoint's configuration. Raises InputError where it is damaged."""
    return typed_json.read_json(checkpoint / CONFIG_FILE, ModelConfig)


def load_weights(checkpoint: Path) -> dict[str, Tensor]:
    """The averaged generator's weights, on the CPU. Raises InputError where the file is damaged."""
    path = checkpoint / WEIGHTS_FILE
    try:
        return load_file(path)
    except (SafetensorError, FileNotFoundError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from None


def load_training_state(checkpoint: Path) -> dict[str, Any]:
    """What `--resume` goes on from, on the CPU; runs no code of the file's.

    Raises:
        InputError: the file is missing, damaged, or holds anything but tensors and plain values.
    """
    path = checkpoint / STATE_FILE
    try:
        with warnings.catch_warnings(action="ignore"):  # one clear error is enough
            state: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    except (RuntimeError, pickle.UnpicklingError, EOFError, FileNotFoundError) as error:
        reason = str(error).partition("\n")[0]
        raise InputError(f"{path} is not a readable training state: {reason}") from None
    return state


def _flush(path: Path) -> None:
    """Ask the system to put a file or a folder's entries on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)
