"""Models on the Hugging Face Hub: `hf://USER/NAME` and `hf://USER/NAME@REVISION`.

A repository holds one model, a generator or a dream, as `pack` writes it, with a card. Its
safetensors and JSON are read; these, pictures and the card are uploaded. A repository that holds
anything else, such as a pickle, is refused before anything is downloaded.

huggingface_hub's `ModelHubMixin` has to be a base class of every model, so that it would be loaded
with each of them, and reads a file before the list of files is known. Its methods are offered under
the same names, over the same functions.
"""

import atexit
import contextlib
import os
import re
import shutil
import tempfile
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator
from pathlib import Path, PurePosixPath
from typing import Any, NamedTuple, Self

from atarigan.config.extras import imported
from atarigan.errors import InputError, one_line, shown

PREFIX = "hf://"
CARD_FILE = "README.md"
_REPOSITORY = re.compile(r"\w[\w.-]*/\w[\w.-]*", re.ASCII)
_READ = (".json", ".safetensors")
_PICTURES = (".gif", ".jpeg", ".jpg", ".png", ".webp")
_UPLOADED = (*_READ, *_PICTURES)
_TEXTS = (".md", ".txt")  # which are not read, and neither are these files
_OTHERS = ("LICENSE", "SHA256SUMS", ".gitattributes", ".gitignore")
_COPIES: dict[tuple[str, str | None], Path] = {}  # by repository and commit


class HubName(NamedTuple):
    """The name of a model on the Hub.

    Attributes:
        repository: "USER/NAME".
        revision: a branch, a tag or a commit; None for the newest commit of "main".
    """

    repository: str
    revision: str | None = None

    def __str__(self) -> str:
        return f"{PREFIX}{self.repository}" + (f"@{self.revision}" if self.revision else "")


class HubModel(ABC):
    """A model that is loaded from the Hub and pushed to it."""

    @classmethod
    @abstractmethod
    def load(cls, *args: Any, **options: Any) -> Self:
        """Load a model from a folder, or by its name."""

    @abstractmethod
    def _write_for_hub(self, folder: Path, repository: str) -> None:
        """Write the model and its card into a new folder, for a repository "USER/NAME"."""

    @classmethod
    def from_pretrained(
        cls,
        repository: str | Path,
        *,
        revision: str | None = None,
        token: str | bool | None = None,
        cache_dir: str | Path | None = None,
        local_files_only: bool = False,
        force_download: bool = False,
        **options: Any,
    ) -> Self:
        """Load a model from the Hugging Face Hub. Needs the extra `hub`.

        Args:
            repository: "USER/NAME", or a local folder.
            revision: a branch, a tag or a commit; None for the newest commit of "main".
            token: of the Hub; None takes that of the environment or of `hf auth login`.
            cache_dir: folder of the cache; None takes huggingface_hub's.
            local_files_only: whether to take what the cache has, without asking the Hub.
            force_download: whether to download what the cache has already.
            options: of `load`, such as `device`.

        Raises:
            InputError: it cannot be downloaded, holds something else than safetensors, JSON and
                pictures, or is damaged.
        """
        if Path(repository).is_dir():
            return cls.load(repository, **options)
        folder = downloaded(
            parsed(str(repository), revision),
            token=token,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
        )
        return cls.load(folder, **options)

    def push_to_hub(
        self,
        repository: str,
        *,
        private: bool | None = None,
        commit_message: str = "Push a model with atarigan",
        branch: str | None = None,
        create_pr: bool = False,
        token: str | bool | None = None,
    ) -> str:
        """Upload the model, packed, to the Hugging Face Hub, as one commit. Needs the extra `hub`.

        Its card says what `atarigan.evaluate` measured of these weights. A card in the folder that
        it was loaded from is used. Files that were read of the repository before are replaced.

        Args:
            repository: "USER/NAME"; it is created if it does not exist.
            private: whether a new repository is private; None leaves that to the account.
            commit_message: first line of the commit's message.
            branch: branch to commit to; None for "main".
            create_pr: whether to open a pull request instead.
            token: of the Hub; None takes that of the environment or of `hf auth login`.

        Returns:
            The address of the commit, or of the pull request.

        Raises:
            InputError: huggingface_hub is not installed, the repository is not of the form
                USER/NAME, or the Hub cannot be reached or refuses the upload.
        """
        name = check_repository(repository)
        hub = imported("huggingface_hub", "hub")
        with tempfile.TemporaryDirectory(prefix="atarigan-") as place:
            folder = Path(place) / "model"
            self._write_for_hub(folder, name.repository)
            with _one_line_errors(name, hub):
                api = hub.HfApi(library_name="atarigan", token=token)
                api.create_repo(name.repository, private=private, exist_ok=True)
                commit = api.create_commit(
                    name.repository,
                    _operations(folder, api.list_repo_files(name.repository, revision=branch), hub),
                    commit_message=commit_message,
                    revision=branch,
                    create_pr=create_pr,
                )
        return str(commit.pr_url or commit.commit_url)


def is_name(source: str | Path) -> bool:
    """Return whether a source is meant as a name on the Hub: `hf:` without slashes and an address
    on the web are too, which `parsed` refuses.
    """
    return isinstance(source, str) and source.lower().startswith(("hf:", "http:", "https:"))


def parsed(name: str, revision: str | None = None) -> HubName:
    """Return the parts of USER/NAME, hf://USER/NAME or hf://USER/NAME@REVISION.

    Raises:
        InputError: it is not of this form, or names another revision than `revision`.
    """
    repository, at, found = name.removeprefix(PREFIX).partition("@")
    if not _REPOSITORY.fullmatch(repository) or (at and not found):
        raise InputError(
            f"a model on the Hub must be {PREFIX}USER/NAME[@REVISION], not {shown(name)}"
        )
    if found and revision not in (None, found):
        raise InputError(f"revision must be that of {name}, or None, not {shown(revision)}")
    return HubName(repository, found or revision)


def downloaded(
    name: HubName,
    *,
    token: str | bool | None = None,
    cache_dir: str | Path | None = None,
    local_files_only: bool = False,
    force_download: bool = False,
) -> Path:
    """Return a folder with the files of a model that are read. It lasts as long as this process.

    The Hub is asked for the newest commit of a branch; without a network, or with HF_HUB_OFFLINE=1,
    what is in the cache is taken. Arguments are those of `HubModel.from_pretrained`.

    Raises:
        InputError: huggingface_hub is not installed; the repository or the revision does not exist
            or may not be read; it is neither in the cache nor to be reached; or it holds a file of
            another kind or a path that leads out of it.
    """
    hub = imported("huggingface_hub", "hub")
    api = hub.HfApi(library_name="atarigan", token=token)
    with _one_line_errors(name, hub):
        commit, paths = (None, []) if local_files_only else _listed(api, name)
        _refuse_other_files(name, paths)
        if (name.repository, commit) in _COPIES and not force_download:
            return _COPIES[name.repository, commit]
        snapshot = api.snapshot_download(
            name.repository,
            revision=name.revision,
            cache_dir=cache_dir,
            local_files_only=local_files_only,
            force_download=force_download,
            allow_patterns=[f"*{suffix}" for suffix in _READ],
        )
    return _plain_copy(name, Path(snapshot))


def _listed(api: Any, name: HubName) -> tuple[str | None, list[str]]:
    """Return the commit of a revision and the paths in it; None if the Hub does not tell, and then
    `snapshot_download` takes what the cache has or says why.
    """
    try:
        info = api.model_info(name.repository, revision=name.revision)
    except Exception:  # of the network's libraries as well
        return None, []
    return info.sha, [each.rfilename for each in info.siblings or ()]


def _refuse_other_files(name: HubName, paths: Iterable[str]) -> None:
    """Raise InputError if a path leads out of the folder, or is of a kind that is not read."""
    for each in paths:
        path = PurePosixPath(each)
        if path.is_absolute() or ".." in path.parts or "\\" in each or ":" in each:
            raise InputError(f"{name} must hold its files in its folder, not {shown(each)}")
        if path.suffix.lower() not in (*_UPLOADED, *_TEXTS) and path.name not in _OTHERS:
            raise InputError(
                f"{name} must hold safetensors, JSON and pictures alone, not {shown(each)}"
            )


def _plain_copy(name: HubName, snapshot: Path) -> Path:
    """Copy what is read of a snapshot into a folder of its own.

    In the cache files are links to where huggingface_hub keeps their content, and links that lead
    out of a model's folder are refused, as in `atarigan.files.untrusted_paths`.
    """
    paths = [path for path in sorted(snapshot.rglob("*")) if path.is_file()]
    if not any(path.suffix.lower() in _READ for path in paths):
        raise InputError(
            f"{name} must hold a model of atarigan, and has no safetensors and no JSON"
        )
    _refuse_other_files(name, (path.relative_to(snapshot).as_posix() for path in paths))
    place = Path(tempfile.mkdtemp(prefix="atarigan-"))
    atexit.register(_remove, place, os.getpid())
    folder = place / f"{name.repository.replace('/', '--')}@{snapshot.name}"
    for path in paths:
        if path.suffix.lower() in _READ:
            copy = folder / path.relative_to(snapshot)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
    _COPIES[name.repository, snapshot.name] = folder
    return folder


def _remove(place: Path, owner: int) -> None:
    if os.getpid() == owner:  # not at the end of a forked process
        shutil.rmtree(place, ignore_errors=True)


def check_repository(repository: str) -> HubName:
    """Return the name of a repository to upload to.

    Raises:
        InputError: it is not of the form USER/NAME, or huggingface_hub is not installed.
    """
    if not _REPOSITORY.fullmatch(repository.removeprefix(PREFIX)):
        raise InputError(f"a repository to push to must be USER/NAME, not {shown(repository)}")
    name = parsed(repository)
    imported("huggingface_hub", "hub")
    return name


def _operations(folder: Path, old: Iterable[str], hub: Any) -> list[Any]:
    """Return what turns the files of a repository into those of a folder."""
    paths = {path.relative_to(folder).as_posix(): path for path in sorted(folder.rglob("*"))}
    added = {each for each in paths if each.endswith(_UPLOADED) or each == CARD_FILE}
    removed = {each for each in old if each.endswith(_UPLOADED)} - added
    return [
        *(hub.CommitOperationAdd(each, paths[each]) for each in sorted(added)),
        *(hub.CommitOperationDelete(each) for each in sorted(removed)),
    ]


@contextlib.contextmanager
def _one_line_errors(name: HubName, hub: Any) -> Iterator[None]:
    """Turn errors of huggingface_hub, and of the libraries under it, into InputError."""
    try:
        yield
    except InputError:
        raise
    except Exception as error:  # each of these libraries has classes of its own
        raise InputError(f"{name}: {_reason(error, hub)}") from None


def _reason(error: Exception, hub: Any) -> str:
    errors = hub.errors
    if isinstance(error, errors.RevisionNotFoundError):
        return "the repository has no such revision"
    if isinstance(error, errors.GatedRepoError):
        return "access has to be asked for on its page; then `hf auth login`"
    if isinstance(error, errors.RepositoryNotFoundError):
        return "there is no such repository, or it is private and needs `hf auth login`"
    if isinstance(error, (errors.LocalEntryNotFoundError, errors.OfflineModeIsEnabled)):
        is_offline = hub.constants.HF_HUB_OFFLINE
        why = "HF_HUB_OFFLINE is set" if is_offline else "the Hub is not reached"
        return f"some of its files are not in the cache of huggingface_hub, and {why}"
    status = getattr(getattr(error, "response", None), "status_code", None)
    if status in (401, 403):
        return "the Hub refuses it: `hf auth login` with a token that may write there"
    cause = f": {one_line(error.__cause__)}" if isinstance(error, RuntimeError) else ""
    return (one_line(error).rstrip(".") or type(error).__name__) + cause
