"""Folders that came from elsewhere: nothing in them may lead out of them."""

import os
import stat
from pathlib import Path

from atarigan.errors import InputError


def confined(path: Path, folder: Path) -> Path:
    """`path`, once it is known to be a file that lies in `folder`, links followed.

    The folder itself may be a link. Pipes and devices, which can block or never end, are no files.

    Raises:
        InputError: it is something else than a file, or a link in it leads out of the folder.
        FileNotFoundError: nothing is there.
    """
    try:
        place = path.resolve(strict=True)
    except FileNotFoundError:
        raise
    except (OSError, RuntimeError) as error:  # links that go in circles
        raise InputError(f"{path} cannot be followed: {error}") from None
    if not place.is_relative_to(folder.resolve()):
        raise InputError(f"{path} must lie in {folder}, not lead to {place}")
    if not place.is_file():
        raise InputError(f"{path} must be a file, not a folder, a pipe or a device")
    return path


def refuse_links_outside(folder: Path, besides: str | None = None) -> None:
    """Look through a folder and all in it, before something is written there.

    Args:
        besides: name of a part that is left alone.

    Raises:
        InputError: a link leads out of it or nowhere, or something is neither file nor folder.
    """
    root = folder.resolve()
    for place, folders, files in os.walk(folder):
        if besides in folders:
            folders.remove(besides)
        for path in (Path(place, name) for name in (*folders, *files)):
            try:
                mode = path.lstat().st_mode
            except FileNotFoundError:  # another process is at work
                continue
            if stat.S_ISLNK(mode):
                target = Path(os.path.realpath(path))
                if not (target.is_relative_to(root) and target.exists()):
                    raise InputError(f"{path} must lie in {folder}, not lead to {target}")
            elif not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
                raise InputError(f"{path} must be a file, not a pipe or a device")
