"""Datasets of Minari, a library of offline datasets for Gymnasium: https://minari.farama.org.

A set that is written here holds what the buffer does:

- observations are the frames, without JPEG, or the states of a buffer without frames;
- infos hold the states as "ram" or "state", and the columns lives, paddle and persisted;
- the metadata of the set holds that of the buffer under "atarigan".

Minari has one observation more than actions, which a buffer does not store: the last one is
repeated, in infos too.
"""

import contextlib
import copy
import dataclasses
import warnings
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import gymnasium as gym
import numpy as np
import numpy.typing as npt
from gymnasium.envs.registration import EnvSpec

from atarigan.config.condition import RAM
from atarigan.config.extras import imported
from atarigan.config.machine import package_versions
from atarigan.data.buffer.episodes import Episode, EpisodeSet
from atarigan.data.buffer.meta import EMULATOR_COLUMNS, BufferMeta, Origin
from atarigan.data.buffer.writer import Seeds
from atarigan.data.collection.agent_steps import ALE_OWN_KWARGS
from atarigan.data.collection.new_buffer import actions_column
from atarigan.data.dataset_formats.dataset_format import DATASET_FORMATS
from atarigan.data.provenance import nondefault_kwargs
from atarigan.data.states import StateSpec
from atarigan.errors import InputError, did_you_mean, one_line, shown
from atarigan.files import atomic, typed_json
from atarigan.images.layout import ImageLayout, layout_of_space

_META = "atarigan"  # in the metadata of a set: a buffer's meta.json
_WRITER, _POLICY_SEED = "atarigan_writer", "atarigan_policy_seed"  # in that of an episode
_Values = npt.NDArray[Any]


@DATASET_FORMATS.register("minari")
class MinariFormat:
    """Minari's datasets, in $MINARI_DATASETS_PATH or ~/.minari/datasets, as NAMESPACE/NAME-v0."""

    def __init__(self) -> None:
        imported("h5py", "minari")
        self._minari = imported("minari", "minari")

    def check_new(self, name: str) -> None:
        if self._path_of(name).exists():
            raise InputError(f"the Minari dataset {name} exists: choose another name or version")

    def write(self, name: str, episodes: EpisodeSet) -> None:
        self.check_new(name)
        meta = episodes.meta
        storage_class = imported("minari.dataset.minari_storage", "minari").MinariStorage
        with atomic.new_folder(self._path_of(name)) as temporary:
            folder = temporary / "unfinished"  # Minari lists folders that have one named data
            storage = storage_class.new(
                folder,
                observation_space=_observation_space(meta),
                action_space=episodes.action_space,
                env_spec=_env_spec(meta.origin),
                data_format="hdf5",
                jpeg_encoding=False,
            )
            storage.update_metadata(
                {
                    "dataset_id": name,
                    "minari_version": self._minari.__version__,
                    _META: dataclasses.asdict(meta),
                }
            )
            additions: list[dict[str, int]] = []
            storage.update_episodes(self._buffers(episodes, additions))
            storage.update_episode_metadata(additions)
            self._make_namespace(name)
            folder.rename(temporary / "data")

    def read(self, name: str) -> EpisodeSet:
        path = self._path_of(name) / "data"
        if not path.is_dir():
            known = self._minari.list_local_datasets()
            hint = did_you_mean(name, known) if known else "there are no local ones"
            raise InputError(f"unknown Minari dataset {shown(name)}: {hint}")
        with _damage_named(name):
            storage_class = imported("minari.dataset.minari_storage", "minari").MinariStorage
            told = storage_class.read_raw_metadata(path).keys()
            if missing := {"observation_space", "action_space"} - told:
                # Minari would run the code that the set names to find out.
                raise InputError(f"the metadata must tell the {min(missing)}")
            dataset = self._minari.MinariDataset(path)
            details = list(dataset.storage.get_episode_metadata(dataset.episode_indices))
            if not details:
                raise InputError("it must hold at least 1 episode, not 0")
            contents = _contents(dataset, details)
        return EpisodeSet(
            contents.meta,
            dataset.action_space,
            len(details),
            sum(int(each["total_steps"]) for each in details),
            _episodes(dataset, details, contents),
        )

    def _path_of(self, name: str) -> Path:
        """Return the folder of a dataset. Raise InputError if the name is malformed."""
        datasets = imported("minari.dataset.minari_dataset", "minari")
        try:
            datasets.parse_dataset_id(name)
        except (TypeError, ValueError):  # TypeError without a version
            raise InputError(
                f"a Minari dataset must be named NAME-v0 or NAMESPACE/NAME-v0, of at least two "
                f"characters each, not {shown(name)}"
            ) from None
        path: Path = imported("minari.storage", "minari").get_dataset_path(name)
        return path

    def _make_namespace(self, name: str) -> None:
        namespaces = imported("minari.namespace", "minari")
        namespace = name.rpartition("/")[0]
        if namespace and namespace not in namespaces.list_local_namespaces():
            namespaces.create_namespace(namespace)

    def _buffers(self, episodes: EpisodeSet, additions: list[dict[str, int]]) -> Iterator[Any]:
        """Yield episodes as Minari's, and add what the metadata of each gets to a list."""
        buffer_class = imported("minari.data_collector", "minari").EpisodeBuffer
        info_names = _info_names(episodes.meta)
        for episode in episodes.episodes:
            columns, seeds = episode.columns, episode.seeds
            additions.append({_WRITER: episode.writer})
            if seeds is not None and seeds.policy_seed is not None:
                additions[-1][_POLICY_SEED] = seeds.policy_seed
            yield buffer_class(
                seed=None if seeds is None else seeds.env_seed,
                observations=_last_repeated(columns[_observed(episodes.meta)]),
                actions=columns["actions"],
                rewards=columns["rewards"],
                terminations=columns["terminations"],
                truncations=columns["truncations"],
                infos={
                    info: _last_repeated(columns[name])
                    for name, info in info_names.items()
                    if name in columns
                },
            )


@dataclass(frozen=True)
class _Contents:
    """What a set holds.

    Attributes:
        meta: that of a buffer of it.
        info_names: entries of info by the columns that they are stored in.
        layout: of observations that others than we wrote; None for our own.
    """

    meta: BufferMeta
    info_names: dict[str, str]
    layout: ImageLayout | None = None


def _contents(dataset: Any, details: list[dict[str, Any]]) -> _Contents:
    """Return what a set holds.

    Raises:
        InputError: a buffer cannot hold it.
    """
    stored = dataset.storage.metadata.get(_META)
    if stored is None:
        return _contents_of_others(dataset)
    meta = typed_json.from_dict(BufferMeta, stored, f"the metadata {_META!r}")
    lengths: Counter[int] = Counter()
    for each in details:
        lengths[int(each.get(_WRITER, 0))] += int(each["total_steps"])
    capacity = max(meta.capacity, *lengths.values())  # somebody may have added episodes
    return _Contents(dataclasses.replace(meta, capacity=capacity), _info_names(meta))


def _contents_of_others(dataset: Any) -> _Contents:
    space = dataset.observation_space
    layout = layout_of_space(space)
    if layout is None:
        raise InputError(f"observations must be images, not {shown(space)}")
    storage = imported("minari.dataset.minari_storage", "minari")
    if dataset.storage.jpeg_encoding and storage.is_image_space(space):
        warnings.warn(
            f"the frames of {dataset.id} were compressed as JPEG, and differ from the game's",
            stacklevel=2,
        )
    action_dtype, action_shape = actions_column(dataset.action_space)
    ram = (dataset[0].infos or {}).get(RAM)
    state = None
    if ram is not None and ram.dtype == np.uint8 and ram.ndim == 2:
        state = StateSpec.of(RAM, ram.shape[1])
    meta = BufferMeta(
        frame_format=layout.frame_format,
        capacity=max(1, dataset.total_steps),
        action_dtype=action_dtype,
        action_shape=action_shape,
        state=state,
        origin=_origin(dataset.env_spec),
        versions=package_versions(),
    )
    return _Contents(meta, {"state": RAM} if state else {}, layout)


def _episodes(
    dataset: Any, details: list[dict[str, Any]], contents: _Contents
) -> Iterator[Episode]:
    stored = iter(dataset)
    for about in details:
        with _damage_named(dataset.id):
            episode = _episode(next(stored), about, contents)
        yield episode


def _episode(found: Any, about: dict[str, Any], contents: _Contents) -> Episode:
    meta, num_steps = contents.meta, len(found.rewards)
    observations = found.observations[:-1]
    if len(observations) != num_steps:
        raise InputError(
            f"episode {found.id} must hold 1 observation more than its {num_steps} rewards, not "
            f"{len(found.observations)}"
        )
    if contents.layout is not None:
        observations = np.stack([contents.layout.newest(each) for each in observations])
    columns = {
        _observed(meta): observations,
        "actions": np.asarray(found.actions).astype(meta.action_dtype),
        "rewards": found.rewards.astype(np.float32),
        "terminations": found.terminations.astype(bool),
        "truncations": found.truncations.astype(bool),
    }
    for name, info in contents.info_names.items():
        columns[name] = found.infos[info][:-1]
    policy_seed = about.get(_POLICY_SEED)
    seeds = None
    if about.get("seed") is not None:
        seeds = Seeds(int(about["seed"]), None if policy_seed is None else int(policy_seed))
    return Episode(columns, int(about.get(_WRITER, 0)), seeds)


def _observed(meta: BufferMeta) -> str:
    """Return the column that observations are taken from."""
    return "frames" if meta.stores_frames else "state"


def _info_names(meta: BufferMeta) -> dict[str, str]:
    """Return the entry of info of each column that is neither an observation nor Minari's own."""
    names = {name: name for name in EMULATOR_COLUMNS.keys() & meta.columns.keys()}
    if meta.state is not None and meta.stores_frames:
        names["state"] = RAM if meta.state.kind == RAM else "state"
    return names


def _observation_space(meta: BufferMeta) -> gym.spaces.Box:
    if meta.stores_frames:
        return gym.spaces.Box(0, 255, meta.frame_format.shape, np.uint8)
    assert meta.state is not None
    if meta.state.kind == RAM:
        return gym.spaces.Box(0, 255, (meta.state.size,), np.uint8)
    return gym.spaces.Box(-np.inf, np.inf, (meta.state.size,), np.float32)


def _last_repeated(values: _Values) -> _Values:
    return np.concatenate([values, values[-1:]])


def _env_spec(origin: Origin) -> EnvSpec | None:
    """Return the specification of the environment that was played, without wrappers; None if it is
    not registered, or cannot be written as JSON.
    """
    registered = gym.registry.get((origin.env_id or "").rpartition(":")[2])
    if registered is None:
        return None
    spec = copy.deepcopy(registered)
    spec.kwargs |= origin.env_kwargs
    if "frameskip" in spec.kwargs and origin.frame_skip:
        spec.kwargs["frameskip"] = origin.frame_skip
    if origin.sticky is not None:
        spec.kwargs["repeat_action_probability"] = origin.sticky
    try:
        spec.to_json()
    except (TypeError, ValueError):
        return None
    return spec


def _origin(spec: EnvSpec | None) -> Origin:
    """Return the origin of frames of an environment that others played, as far as it is known."""
    if spec is None:
        return Origin()
    env_kwargs = {
        name: value
        for name, value in nondefault_kwargs(spec.id, spec.kwargs).items()
        if name not in ALE_OWN_KWARGS
    }
    registered = gym.registry.get(spec.id)
    if registered is None or registered.max_episode_steps != spec.max_episode_steps:
        env_kwargs["max_episode_steps"] = spec.max_episode_steps
    wrappers = {each.name: each.kwargs or {} for each in spec.additional_wrappers}
    num_repeats = wrappers.get("AtariPreprocessing", {"frame_skip": 1}).get("frame_skip", 4)
    frame_skip = spec.kwargs.get("frameskip", 0)
    is_known = isinstance(frame_skip, int) and isinstance(num_repeats, int)
    return Origin(
        env_id=spec.id,
        env_kwargs=env_kwargs,
        frame_skip=frame_skip * num_repeats if is_known else 0,
        max_pool=num_repeats > 1,
        wrappers=tuple(reversed(wrappers)),
    )


@contextlib.contextmanager
def _damage_named(name: str) -> Iterator[None]:
    """Turn whatever a damaged file makes Minari and h5py raise into InputError."""
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        reason = one_line(error) if isinstance(error, InputError) else repr(error)
        raise InputError(f"the Minari dataset {name} cannot be read: {one_line(reason)}") from error
