"""Check that a folder is free for a new buffer."""

from pathlib import Path

from atarigan.data.buffer.meta import BufferMeta
from atarigan.errors import InputError
from atarigan.files import atomic


def check_free(path: Path) -> None:
    """Raise InputError unless a folder does not exist or is empty, and lies in no buffer."""
    if path.exists() and (not path.is_dir() or any(map(_is_kept, path.iterdir()))):
        raise in_use(path)
    for parent in path.absolute().parents:
        if _is_buffer(parent):
            raise InputError(f"{path} must not lie in another buffer, as it would in {parent}")


def in_use(path: Path) -> InputError:
    """Return the error for a folder that holds something."""
    return InputError(f"{path} must not exist yet or be an empty folder")


def _is_kept(file: Path) -> bool:
    return not file.name.startswith(atomic.PREFIX)


def _is_buffer(folder: Path) -> bool:
    meta = folder / "meta.json"
    try:
        return meta.is_file() and BufferMeta.read(meta) is not None
    except (InputError, OSError):
        return False
