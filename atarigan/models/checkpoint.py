"""Checkpoints: self-contained folders; a crash while writing leaves the old one or the new one.

```
runs/breakout/checkpoints/images-000000640000/
  config.json             the run's configuration and the format of samples
  generator.safetensors   the averaged generator's weights
  training_state.pt       the state for `--resume`; loads with torch.load(weights_only=True)
  SHA256SUMS              checksums of the other files, for `sha256sum -c SHA256SUMS`
```
"""

import contextlib
import shutil
import warnings
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save
from torch import Tensor

from atarigan.errors import InputError, one_line
from atarigan.files import atomic, typed_json
from atarigan.files.checksum import sha256_of
from atarigan.files.untrusted_paths import confined, refuse_links_outside
from atarigan.models.model_config import ModelConfig
from atarigan.models.packed_weights import dequantized, quantized

CONFIG_FILE = "config.json"
WEIGHTS_FILE = "generator.safetensors"
STATE_FILE = "training_state.pt"
SUMS_FILE = "SHA256SUMS"
FILES = (CONFIG_FILE, WEIGHTS_FILE, STATE_FILE)
_CHECKPOINTS_FOLDER = "checkpoints"


def checkpoints_of(run: Path) -> list[Path]:
    """Return the complete checkpoints of a run folder, oldest first."""
    return sorted(
        folder
        for folder in (run / _CHECKPOINTS_FOLDER).glob("images-*")
        if (folder / CONFIG_FILE).is_file()
    )


def folders_of(checkpoint: Path) -> list[Path]:
    """Return the folder of a checkpoint, and of its run if it is one of a run's newest."""
    is_of_run = checkpoint.parent.name == _CHECKPOINTS_FOLDER
    return [checkpoint, *([checkpoint.parents[1]] if is_of_run else [])]


def save_checkpoint(
    run: Path, model: ModelConfig, weights: dict[str, Tensor], state: dict[str, Any], keep: int = 2
) -> Path:
    """Write a run's next checkpoint and remove all but the newest `keep`.

    Raises:
        OSError: the disk is full or not writable; older checkpoints stay.
    """
    folder = run / "checkpoints" / f"images-{state['num_images']:012d}"
    write_checkpoint(folder, model, weights, state)
    for old in checkpoints_of(run)[:-keep]:
        shutil.rmtree(old)
    return folder


def write_checkpoint(
    folder: Path, model: ModelConfig, weights: dict[str, Tensor], state: dict[str, Any]
) -> None:
    """Write a checkpoint under a temporary name, flush it, and rename it to `folder`.

    Raises:
        OSError: the disk is full or not writable.
    """
    with _new_folder(folder) as temporary:
        _write_generator(temporary, model, weights)
        torch.save(state, temporary / STATE_FILE)


def write_packed(folder: Path, model: ModelConfig, weights: dict[str, Tensor]) -> int:
    """Write a checkpoint without a training state and the path of its data, and with quantized
    weights, as safely.

    Returns:
        Its size in bytes.

    Raises:
        OSError: the disk is full or not writable.
    """
    if model.run.data is not None:
        model = replace(model, run=replace(model.run, data=Path(model.run.data).name))
    with _new_folder(folder) as temporary:
        _write_generator(temporary, model, quantized(weights))
    return sum(path.stat().st_size for path in folder.iterdir())


def write_packed_run(run: Path, folder: Path) -> int:
    """Write the generator of a run or checkpoint as `write_packed` does; return its size in bytes.

    Raises:
        InputError: the run is missing or damaged.
        OSError: the disk is full or not writable.
    """
    checkpoint = find_checkpoint(run)
    return write_packed(folder, load_model_config(checkpoint), load_weights(checkpoint))


def _write_generator(folder: Path, model: ModelConfig, weights: dict[str, Tensor]) -> None:
    typed_json.write_json(folder / CONFIG_FILE, model)
    contiguous = {name: weight.contiguous().cpu() for name, weight in weights.items()}
    # save_file would create a file that only its owner can read.
    (folder / WEIGHTS_FILE).write_bytes(save(contiguous))


@contextlib.contextmanager
def _new_folder(folder: Path) -> Iterator[Path]:
    """Yield a temporary folder; on exit add checksums, flush it, and rename it to `folder`.

    Raises:
        OSError: the disk is full or not writable.
    """
    with atomic.new_folder(folder) as temporary:
        try:
            yield temporary
        except (RuntimeError, SafetensorError) as error:  # how they report a full disk
            raise OSError(f"{temporary} cannot be written: {error}") from error
        (temporary / SUMS_FILE).write_text(checksums(temporary), encoding="utf-8")


def find_checkpoint(path: Path) -> Path:
    """Return a checkpoint folder itself, or the newest undamaged checkpoint of a run folder.

    Warns about each damaged checkpoint that is skipped.

    Raises:
        InputError: there is no undamaged checkpoint, or a link leads out of the folder.
    """
    if (path / WEIGHTS_FILE).is_file():
        refuse_damage(path)
        return path
    found = checkpoints_of(path)
    if not found:
        problem = "holds no checkpoint" if path.is_dir() else "does not exist"
        problem = "is a file" if path.is_file() else problem
        raise InputError(f"{path} {problem}: expected a folder that atarigan.train wrote")
    for checkpoint in found:
        confined(checkpoint / CONFIG_FILE, path)
    for checkpoint in reversed(found[1:]):
        try:
            refuse_damage(checkpoint)
        except InputError as damage:
            warnings.warn(f"{damage}; the checkpoint before it is used", stacklevel=2)
        else:
            return checkpoint
    refuse_damage(found[0])
    return found[0]


def refuse_damage(checkpoint: Path) -> None:
    """Check a checkpoint's files against SHA256SUMS, if it has this file.

    Raises:
        InputError: a file is missing or damaged, or a link leads out of the folder.
    """
    refuse_links_outside(checkpoint)
    try:
        lines = (checkpoint / SUMS_FILE).read_text(encoding="utf-8", errors="replace").splitlines()
    except FileNotFoundError:
        return
    sums = {name: checksum for checksum, _, name in (line.partition("  ") for line in lines)}
    for name in FILES:
        path = checkpoint / name
        if not path.is_file():
            if name == STATE_FILE and name not in sums:  # packed
                continue
            raise InputError(f"{path} is missing")
        if sha256_of(path) != sums.get(name):
            raise InputError(f"{path} is damaged: its checksum is not the one in {SUMS_FILE}")


def load_model_config(checkpoint: Path) -> ModelConfig:
    """Read a checkpoint's configuration. Raises InputError if it is damaged."""
    path = checkpoint / CONFIG_FILE
    try:
        return typed_json.read_json(confined(path, checkpoint), ModelConfig)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None


def load_weights(checkpoint: Path) -> dict[str, Tensor]:
    """Read the averaged generator's weights, on the CPU. Raises InputError if they are damaged."""
    path = checkpoint / WEIGHTS_FILE
    try:
        return dequantized(load_file(confined(path, checkpoint)))
    except (SafetensorError, FileNotFoundError) as error:
        raise InputError(f"{path} is not a readable safetensors file: {error}") from None
    except ValueError as error:
        raise InputError(f"{path}: {error}") from None


def load_training_state(checkpoint: Path) -> dict[str, Any]:
    """Read the training state, on the CPU, without running code from the file.

    Raises:
        InputError: the file is missing, damaged, or holds more than tensors and plain values.
    """
    path = checkpoint / STATE_FILE
    try:
        _refuse_compressed(confined(path, checkpoint))
        with warnings.catch_warnings(action="ignore"):  # the error below says it
            state: Any = torch.load(path, map_location="cpu", weights_only=True)
    except Exception as error:  # an arbitrary file can raise anything
        reason = one_line(error)
        raise InputError(f"{path} is not a readable training state: {reason}") from None
    if not isinstance(state, dict):
        kind = type(state).__name__
        raise InputError(f"{path} must hold a table of tensors and values, not a {kind}")
    return state


def _refuse_compressed(path: Path) -> None:
    """Raise InputError if an archive unpacks to more than its own size.

    Archives of torch are not compressed.
    """
    with zipfile.ZipFile(path) as archive:
        unpacked, size = sum(member.file_size for member in archive.infolist()), path.stat().st_size
    if unpacked > size:
        raise InputError(f"it must unpack to at most its {size:,} bytes, not {unpacked:,}")


def checksums(checkpoint: Path) -> str:
    """Return the content of SHA256SUMS for a checkpoint's files."""
    there = [name for name in FILES if (checkpoint / name).is_file()]
    return "".join(f"{sha256_of(checkpoint / name)}  {name}\n" for name in there)
