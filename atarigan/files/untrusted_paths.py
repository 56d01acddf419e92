"""Checks of folders that come from elsewhere: links in them must not lead out of them."""

import os
import stat
from pathlib import Path

from atarigan.errors import InputError


def confined(path: Path, folder: Path) -> Path:
    """Return `path` if it is a regular file inside `folder` after following links.

    The folder itself may be a link. Pipes and devices are refused, as reading them can block.

    Raises:
        InputError: it is not a regular file, or a link leads out of the folder.
        FileNotFoundError: it does not exist.
    """
    try:
        place = path.resolve(strict=True)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # circular links
        raise InputError(f"{path} cannot be followed: {error}") from None
    if not place.is_relative_to(folder.resolve()):
        raise InputError(f"{path} must lie in {folder}, not lead to {place}")
    if not place.is_file():
        raise InputError(f"{path} must be a file, not a folder, a pipe or a device")
    return path


def refuse_links_outside(folder: Path, skipped: str | None = None) -> None:
    """Check all links in a folder, before something is written there.

    Args:
        folder: the folder to check, with all its subfolders.
        skipped: name of a subfolder that is not checked.

    Raises:
        InputError: a link is broken or leads out of the folder, or something is neither a regular
            file nor a folder.
    """
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        if skipped in folders:
            folders.remove(skipped)
        for path in (Path(place, name) for name in (*folders, *files)):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # another process removed it
                continue
            if stat.S_ISLNK(mode):
                target = Path(os.path.realpath(path))
                if not (target.is_relative_to(root) and target.exists()):
                    raise InputError(f"{path} must lie in {folder}, not lead to {target}")
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError(f"{path} must be a file, not a pipe or a device")
