"""Everything that reads files from elsewhere, each with a small specimen of what it reads."""

import dataclasses
import gzip
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import torch

from atarigan.config.recipes import parse_recipe
from atarigan.config.run_config import RunConfig
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.provenance import Provenance
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources import SOURCES
from atarigan.envs import NetworkDreamVectorEnv
from atarigan.files import typed_json
from atarigan.files.npz_samples import note_of, read_samples
from atarigan.images.pixels import FrameFormat
from atarigan.models.build import build_generator
from atarigan.models.checkpoint import (
    FILES,
    STATE_FILE,
    SUMS_FILE,
    checksums,
    find_checkpoint,
    load_model_config,
    write_checkpoint,
)
from atarigan.models.dynamics.byte_grids import Grids
from atarigan.models.dynamics.dream import Dream, DreamSettings, Starts
from atarigan.models.dynamics.dream_batch import DreamBatch
from atarigan.models.dynamics.features import Feature, Kind
from atarigan.models.dynamics.formulas import Formula, Formulas
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.seen_states import SeenStates
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.dynamics.tree_fitting import TreeFitter
from atarigan.models.dynamics.tree_tables import TreeTables
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.model_config import ModelConfig
from atarigan.models.network_dreams.network_dream import NetworkDream
from atarigan.train import config_file
from atarigan.training.build import build_trainer
from atarigan.training.dream.byte_roles import ByteRoles
from atarigan.training.dream.dream_folder import DreamFolder
from atarigan.training.observers.evaluations import Evaluations, read_lines
from atarigan.training.observers.history import COLUMNS, History
from atarigan.training.prepare import restore
from atarigan.training.run_folder import RunFolder
from atarigan.training.trainer import Trainer
from tests.network_dreams import random_dream

SINE = RunConfig(source="sine", network="mlp", generator_layers=(4, 4), critic_layers=(4, 4),
                 latent_size=2, batch_size=4, device="cpu")  # fmt: skip
FRAMES = RunConfig(network="subpixel", generator_width=4, critic_width=4, latent_size=3)


@dataclass(frozen=True)
class Reader:
    """One way in.

    Attributes:
        write: puts a valid specimen into an empty folder.
        read: does with it what a user would; raises InputError where it is not valid.
        names: of the files that may be spoiled.
    """

    write: Callable[[Path], object]
    read: Callable[[Path], object]
    names: tuple[str, ...]


def write_idx(folder: Path) -> None:
    images = bytes([0, 0, 8, 3, 0, 0, 0, 6, 0, 0, 0, 5, 0, 0, 0, 4]) + bytes(range(120))
    labels = bytes([0, 0, 8, 1, 0, 0, 0, 6, 0, 1, 2, 7, 8, 9])
    (folder / "train-images-idx3-ubyte").write_bytes(images)
    (folder / "train-labels-idx1-ubyte.gz").write_bytes(gzip.compress(labels, mtime=0))


def write_cifar(folder: Path) -> None:
    record = np.arange(3072, dtype=np.uint8).tobytes()
    (folder / "data_batch_1.bin").write_bytes(b"\1" + record + b"\2" + record)
    (folder / "data_batch_2.bin.gz").write_bytes(gzip.compress(b"\3" + record, mtime=0))


def write_images(folder: Path) -> None:
    image = np.arange(60, dtype=np.uint8).reshape(5, 4, 3)
    for suffix in ("png", "jpg", "bmp", "webp", "tif"):
        cv2.imwrite(str(folder / f"image.{suffix}"), image)


def open_source(name: str, folder: Path, **settings: Any) -> None:
    """A source, and its first batch."""
    source = SOURCES[name](RunConfig(source=name, data=str(folder), **settings))
    next(source.batches(4, seed=0))


def write_buffer(folder: Path) -> None:
    origin = Origin(env_id="ALE/Pong-v5", policy="random", seed=0, frame_skip=4)
    with FrameBuffer.create(folder, 8, (4, 3, 1), ram_size=2, origin=origin) as buffer:
        for number in range(11):
            frame, ram = np.full((4, 3, 1), number, np.uint8), np.full(2, number, np.uint8)
            buffer.add(frame, number % 3, number, terminated=number == 6, ram=ram)


def read_buffer(folder: Path) -> None:
    buffer = FrameBuffer.open(folder)
    if len(buffer):
        everything = np.arange(min(len(buffer), 100))
        for name in buffer.meta.columns:
            buffer.values_at(name, everything)
    buffer.sample(4, seed=0)
    buffer.sample_stacks(4, 2, seed=0)
    buffer.sample_transitions(4, 2, seed=0)
    open_source("frames", folder)


def write_generator(folder: Path) -> None:
    model = ModelConfig(FRAMES, SampleSpec((1, 8, 8), FrameFormat("gray", 8, 8)))
    weights = build_generator(model).state_dict()
    write_checkpoint(folder / "run", model, weights, {"num_images": 1})


def write_state_generator(folder: Path) -> None:
    """A generator that reads RAM, with tables fitted to some."""
    config = RunConfig(network="profiles", condition="ram", latent_size=2)
    sample = SampleSpec((1, 8, 6), FrameFormat("gray", 8, 6), condition_shape=(5,))
    rng = np.random.default_rng(0)
    frames, ram = rng.integers(0, 3, (50, 8, 6, 1)), rng.integers(0, 30, (50, 5))
    model = ModelConfig(config, sample)
    network = build_generator(model)
    network.fit_states(torch.from_numpy(ram.astype(np.uint8)))
    network.fit(*(torch.from_numpy(each.astype(np.uint8)) for each in (frames, ram)))
    write_checkpoint(folder / "run", model, network.state_dict(), {"num_images": 1})


def read_generator(folder: Path) -> None:
    _renew_checksums(folder / "run")
    generator = FrameGenerator.load(folder / "run", device="cpu")
    generator.sample(2) if generator.makes_frames else generator.sample_points(2)
    if generator.reads_ram:
        ram = np.arange(256, dtype=np.uint8)[:, None]
        shape = (256, *(generator.model.sample.condition_shape or ()))
        generator.decode(generator.latents(256), np.broadcast_to(ram, shape))


def write_run(folder: Path) -> None:
    trainer = _trainer()
    trainer.train_step(trainer.open_batches(4))
    weights = trainer.averaged_generator.state_dict()
    write_checkpoint(folder / "run", trainer.model, weights, trainer.state_dict())


def read_run(folder: Path) -> None:
    """As `--resume` does, into networks that are there."""
    _renew_checksums(folder / "run")
    checkpoint = find_checkpoint(folder / "run")
    load_model_config(checkpoint)
    trainer = _trainer()
    restore(trainer, checkpoint)
    trainer.train_step(trainer.open_batches(4))


@cache
def _trainer() -> Trainer:
    return build_trainer(SINE)


def _renew_checksums(checkpoint: Path) -> None:
    """Whoever spoils a file on purpose writes its checksum too."""
    if all((checkpoint / name).is_file() for name in (*FILES, SUMS_FILE)):
        (checkpoint / SUMS_FILE).write_text(checksums(checkpoint), encoding="utf-8")


def write_config(folder: Path) -> None:
    typed_json.write_json(folder / "settings.json", SINE)
    model = ModelConfig(FRAMES, SampleSpec((1, 8, 8), FrameFormat("gray", 8, 8)))
    typed_json.write_json(folder / "config.json", model)


def read_config(folder: Path) -> None:
    config_file(folder / "settings.json")
    config_file(folder / "config.json")


def write_recipe(folder: Path) -> None:
    settings = dataclasses.asdict(dataclasses.replace(SINE, data="somewhere", image_size="8x8"))
    lines = [f"{name} = {_as_toml(value)}" for name, value in settings.items()]
    (folder / "recipe.toml").write_text("# What it is for.\n" + "\n".join(lines) + "\n")


def _as_toml(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return repr(list(value)) if isinstance(value, tuple) else repr(value)


def read_recipe(folder: Path) -> None:
    text = (folder / "recipe.toml").read_text(encoding="utf-8", errors="replace")
    parse_recipe(text, "recipe.toml")


def write_samples(folder: Path) -> None:
    np.savez_compressed(folder / "frames.npz", frames=np.zeros((3, 5, 4, 1), np.uint8))
    with zipfile.ZipFile(folder / "frames.npz", "a") as archive:
        archive.comment = Provenance("ALE/Pong-v5", {"mode": 1}, 4, 1).note.encode()
    np.savez(folder / "points.npz", points=np.zeros((3, 2), np.float32))


def read_both_samples(folder: Path) -> None:
    read_samples(folder / "frames.npz")
    Provenance.from_note(note_of(folder / "frames.npz"), folder / "frames.npz")
    read_samples(folder / "points.npz")


def write_records(folder: Path) -> None:
    score = {"value": 1.5, "floor": 1.0, "interval": [1.0, 2.0], "better": "lower"}
    line = {"images": 0, "elapsed_s": 1.0, "features": "points", "headline": "distance",
            "rank": 1.5, "scores": {"distance": score}}  # fmt: skip
    (folder / "evaluations.jsonl").write_text(2 * f"{json.dumps(line)}\n")
    rows = [",".join(COLUMNS), *2 * [",".join(["0"] * len(COLUMNS))]]
    (folder / "history.csv").write_text("\r\n".join(rows) + "\r\n")


def read_records(folder: Path) -> None:
    """As a run does that goes on."""
    run = RunFolder(folder)
    History(run, _trainer())
    Evaluations(run, _trainer())
    for line in read_lines(run):
        float(line["scores"][line["headline"]]["floor"])


def write_dynamics(folder: Path) -> None:
    """A tree for byte 1, which counts with the input, and those of the heads, which read a cell of
    a grid and an entry of an array.
    """
    small_trees(num_inputs=1).save(folder)
    read_dynamics(folder)  # which compiles the walk, or loads it from the disk


def small_trees(num_inputs: int) -> TreeDynamics:
    tables = TreeTables(
        num_inputs=num_inputs,
        num_bytes=2,
        addresses=np.array([1], np.int32),
        codings=np.array([1], np.uint8),
        groups=np.array([0], np.int16),
        grids=Grids(
            pointers=np.zeros((1, 2), np.int16),
            places=np.zeros((1, 2, 256), np.int16),
            masks=np.full((1, 256), 255, np.uint8),
            members=np.zeros((1, 1), np.int16),
        ),
        arrays=IndexedArrays.of([0], [[0] * 256]),
        formulas=Formulas.of([Formula(first=Feature(Kind.ENTRY, 0), shift=1)]),
        rewards=np.zeros(1, np.float32),
        features=np.array(
            [Feature(Kind.INPUT, 0), Feature(Kind.NEXT_ENTRY, 0), Feature(Kind.CELL, 0)], np.uint16
        ),
        sizes=np.array([3, 1, 3, 3], np.int32),
        node_features=np.array([0, 0, 0, 0, 1, 0, 0, 2, 0, 0], np.uint16),
        thresholds=np.array([0, 0, 1, 0, 254, 0, 1, 300, 3, 2], np.int32),
        skips=np.array([2, 0, 0, 0, 2, 0, 0, 2, 0, 0], np.int32),
    )
    return TreeDynamics(tables)


def read_dynamics(folder: Path) -> None:
    dynamics = TreeDynamics.load(folder)
    tables = dynamics.tables
    states = np.arange(256, dtype=np.uint8)[:, None] * np.ones(tables.num_bytes, np.uint8)
    dynamics.step(states, np.ones((256, tables.num_inputs), np.int32))


def write_dream(folder: Path) -> None:
    starts = Starts(np.array([[7, 3], [7, 4]], np.uint8), np.array([2, 3], np.uint8))
    settings = DreamSettings("ALE/Freeway-v5", {}, ("NOOP", "UP", "DOWN"), has_paddle=False)
    seen = SeenStates(np.arange(512).reshape(2, 256) % 256 < 200)
    Dream(settings, small_trees(num_inputs=3), starts, seen_states=seen).save(folder)
    read_dream(folder)


def read_dream(folder: Path) -> None:
    batch = DreamBatch(Dream.load(folder), 3, frame_skip=2)
    batch.seed(np.arange(3), np.arange(3, dtype=np.uint64))
    batch.reset(np.arange(3), most_noops=2)
    batch.step(np.zeros(3, np.int64))
    batch.dream.is_unseen(batch.games.rams)


def write_network_dream(folder: Path) -> None:
    random_dream().save(folder)
    read_network_dream(folder)


def read_network_dream(folder: Path) -> None:
    envs = NetworkDreamVectorEnv(NetworkDream.load(folder), 3)
    envs.reset(seed=0)
    envs.step(envs.action_space.sample())


def write_roles(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    DreamFolder(folder).write_roles(ByteRoles((1, 20), (13,)))


def small_transitions() -> FrameTransitions:
    states = np.array([[1, 3], [2, 3], [3, 3], [4, 4]], np.uint8)
    return FrameTransitions(
        states, states + 1, np.ones((4, 1), np.int32), np.zeros(4, np.float32),
        np.zeros(4, np.bool_), np.zeros(4, np.uint8),
    )  # fmt: skip


def write_mined(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    fitter = TreeFitter()
    fitter.extend(small_transitions())
    fitter.fit()
    fitter.mined().save(DreamFolder(folder).mined)


def read_mined(folder: Path) -> None:
    mined = DreamFolder(folder).read_mined()
    assert mined is not None
    fitter = TreeFitter()
    fitter.extend(small_transitions())
    fitter.restore(mined)
    fitter.fit()


READERS = {
    "IDX": Reader(
        write_idx,
        lambda folder: open_source("mnist", folder),
        ("train-images-idx3-ubyte", "train-labels-idx1-ubyte.gz"),
    ),
    "CIFAR records": Reader(
        write_cifar,
        lambda folder: open_source("cifar10", folder),
        ("data_batch_1.bin", "data_batch_2.bin.gz"),
    ),
    "image folder": Reader(
        write_images,
        lambda folder: open_source("folder", folder, image_size="6x7"),
        tuple(f"image.{suffix}" for suffix in ("png", "jpg", "bmp", "webp", "tif")),
    ),
    "buffer meta.json": Reader(write_buffer, read_buffer, ("meta.json",)),
    "buffer arrays": Reader(
        write_buffer,
        read_buffer,
        tuple(
            f"writer-000/{name}.npy"
            for name in ("frames", "actions", "rewards", "terminations", "state", "num_committed")
        ),
    ),
    "generator": Reader(
        write_generator, read_generator, ("run/config.json", "run/generator.safetensors")
    ),
    "state generator": Reader(
        write_state_generator, read_generator, ("run/config.json", "run/generator.safetensors")
    ),
    "training state": Reader(write_run, read_run, (f"run/{STATE_FILE}",)),
    "config": Reader(write_config, read_config, ("settings.json", "config.json")),
    "recipe": Reader(write_recipe, read_recipe, ("recipe.toml",)),
    "run records": Reader(write_records, read_records, ("evaluations.jsonl", "history.csv")),
    "dynamics": Reader(write_dynamics, read_dynamics, ("dynamics.json", "trees.safetensors")),
    "dream": Reader(
        write_dream, read_dream, ("dream.json", "starts.safetensors", "seen_states.safetensors")
    ),
    "network dream": Reader(
        write_network_dream,
        read_network_dream,
        ("dream.json", "network.safetensors", "vectors.safetensors"),
    ),
    "rows of trees": Reader(write_mined, read_mined, ("mined.safetensors",)),
    "roles of bytes": Reader(
        write_roles, lambda folder: DreamFolder(folder).read_roles(), ("roles.json",)
    ),
    "NPZ samples": Reader(write_samples, read_both_samples, ("frames.npz", "points.npz")),
}
