"""Folders that came from elsewhere do not lead out of themselves, into pipes or in circles."""

import os
from collections.abc import Callable
from pathlib import Path

import pytest

from atarigan.errors import InputError
from atarigan.files.untrusted_paths import confined, refuse_links_outside


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "secret").write_text("not yours")
    folder = tmp_path / "folder"
    (folder / "inner").mkdir(parents=True)
    (folder / "inner" / "file").write_text("yours")
    return folder


def test_files_inside_are_let_through_links_among_them_too(folder: Path) -> None:
    (folder / "link").symlink_to("inner/file")
    (folder / "inner" / "up").symlink_to("../link")
    whole = folder.parent / "elsewhere"
    whole.symlink_to(folder)
    for name in ("inner/file", "link", "inner/up"):
        assert confined(folder / name, folder).read_text() == "yours"
        assert confined(whole / name, whole).read_text() == "yours"
    refuse_links_outside(folder)
    refuse_links_outside(whole)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda path: path.symlink_to("../secret"), r"folder/way must lie in .*folder, not lead"),
        (lambda path: path.symlink_to(path.parents[1] / "secret"), "must lie in"),
        (lambda path: path.symlink_to(".."), "must lie in"),
        (lambda path: path.symlink_to("/dev/zero"), "must lie in"),
        (os.mkfifo, "must be a file, not a"),
    ],
)
def test_ways_out_are_refused(folder: Path, make: Callable[[Path], None], message: str) -> None:
    make(folder / "way")
    with pytest.raises(InputError, match=message):
        confined(folder / "way", folder)
    with pytest.raises(InputError, match=message):
        refuse_links_outside(folder)


def test_a_linked_folder_on_the_way_counts(folder: Path) -> None:
    (folder / "inner" / "up").symlink_to("../..")
    for ask in (
        lambda: confined(folder / "inner/up/secret", folder),
        lambda: refuse_links_outside(folder),
    ):
        with pytest.raises(InputError, match="must lie in"):
            ask()
    refuse_links_outside(folder, skipped="inner")


def test_what_is_not_there_or_goes_in_circles(folder: Path) -> None:
    with pytest.raises(FileNotFoundError):
        confined(folder / "absent", folder)
    (folder / "circle").symlink_to("circle")
    with pytest.raises(InputError, match=r"circle (cannot be followed|must lie in)"):
        confined(folder / "circle", folder)
    with pytest.raises(InputError, match="must lie in"):
        refuse_links_outside(folder)


def test_a_folder_is_no_file(folder: Path) -> None:
    with pytest.raises(InputError, match="must be a file, not a folder"):
        confined(folder / "inner", folder)
