"""The protocol of formats in which other libraries keep datasets, and their registry."""

from collections.abc import Callable
from typing import Protocol

from atarigan.config.registry import Registry
from atarigan.data.buffer.episodes import EpisodeSet
from atarigan.errors import InputError, shown


class DatasetFormat(Protocol):
    """Writes episodes into a dataset of another library, and reads them, one at a time."""

    def check_new(self, name: str) -> None:
        """Check that a dataset of this name can be written.

        Raises:
            InputError: the name is malformed or taken, or the library is not installed.
        """

    def write(self, name: str, episodes: EpisodeSet) -> None:
        """Write a new dataset. It gets its name when it is complete.

        Raises:
            InputError: as for `check_new`.
            OSError: the disk is full or not writable.
        """

    def read(self, name: str) -> EpisodeSet:
        """Open a dataset.

        Raises:
            InputError: there is none of this name, it is damaged, or a buffer cannot hold what is
                in it; also during iteration. Or the library is not installed.
        """


DATASET_FORMATS: Registry[Callable[[], DatasetFormat]] = Registry("dataset format")


def format_and_name(text: str, flag: str) -> tuple[DatasetFormat, str]:
    """Parse "minari:NAME" to the format and the name of the dataset.

    Raises:
        InputError: it has another form, or the format is unknown.
    """
    kind, colon, name = text.partition(":")
    if not (kind and colon and name):
        known = ", ".join(f"{each}:NAME" for each in DATASET_FORMATS)
        raise InputError(f"{flag} must be a format and a name, {known}, not {shown(text)}")
    return DATASET_FORMATS[kind](), name
