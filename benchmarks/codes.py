"""`codes`: a replay buffer of learned codes, against PNG files and raw frames in memory."""

import dataclasses
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import cv2
import numpy as np
import torch

from atarigan.config.recipes import load_recipe
from atarigan.data.buffer.episodes import whole_episodes, write_buffer
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.sources.buffered_frames import BufferedFrames
from atarigan.models.coded_episodes import coded
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.generated_replay import GeneratedReplay
from atarigan.training.build import build_trainer
from benchmarks import breakout
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.threads import thread_choices

BATCH_SIZE = 256
RAW, PNG = "raw frames, np.take in memory", "PNG, decoded from memory by OpenCV"


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """Bytes a frame takes, and frames a second that come back, in batches of 256."""
    num_steps = stopwatch.sized(full=2_000, quick=300)
    with tempfile.TemporaryDirectory() as folder:
        buffer = breakout.fill_buffer(Path(folder) / "frames", num_steps)
        generator = _fitted(buffer, stopwatch.device)
        write_buffer(coded(whole_episodes(buffer), generator), Path(folder) / "codes")
        codes = FrameBuffer.open(Path(folder) / "codes")
        frames = buffer.values_at("frames", np.arange(num_steps))
        pngs = [_png(frame) for frame in frames]
        yield from _bytes(frames, pngs, codes)
        yield from _rates(stopwatch, frames, pngs, GeneratedReplay(codes, generator), generator)


def _fitted(buffer: FrameBuffer, device: Literal["cpu", "cuda"]) -> FrameGenerator:
    """A generator of the recipe codes, fitted but not trained: as fast as a trained one."""
    config = dataclasses.replace(load_recipe("codes"), device=device)
    trainer = build_trainer(config, source=BufferedFrames(buffer, config))
    return FrameGenerator(trainer.model, trainer.averaged_generator, torch.device(device))


def _png(frame: np.ndarray) -> np.ndarray:
    return np.asarray(cv2.imencode(".png", frame)[1])


def _bytes(frames: np.ndarray, pngs: list[np.ndarray], codes: FrameBuffer) -> Iterator[Row]:
    """Rows of bytes a frame, without actions and rewards."""
    state = codes.meta.state
    assert state is not None
    raw, png = frames[0].nbytes, float(np.mean([len(each) for each in pngs]))
    yield Row("codes", "learned code", state.size, "bytes/frame", PNG, png / state.size)
    yield Row("codes", PNG, png, "bytes/frame", RAW, raw / png)
    yield Row("codes", RAW, raw, "bytes/frame")


def _rates(
    stopwatch: Stopwatch,
    frames: np.ndarray,
    pngs: list[np.ndarray],
    replay: GeneratedReplay,
    generator: FrameGenerator,
) -> Iterator[Row]:
    rng = np.random.default_rng(0)
    moments = frames[:BATCH_SIZE, None]

    def take() -> None:
        np.take(frames, rng.integers(len(frames), size=BATCH_SIZE), axis=0)

    def decode_png() -> None:
        for number in rng.integers(len(pngs), size=BATCH_SIZE):
            cv2.imdecode(pngs[number], cv2.IMREAD_GRAYSCALE)

    def encode_png() -> None:
        for frame in moments[:, 0]:
            cv2.imencode(".png", frame)

    choices = thread_choices(stopwatch.device)
    cases = [
        *(
            Case(
                f"GeneratedReplay.sample({BATCH_SIZE}) of codes, {threads}",
                BATCH_SIZE,
                threads.running(lambda: replay.sample(BATCH_SIZE, rng)),
                against=(PNG, RAW),
            )
            for threads in choices
        ),
        Case(PNG, BATCH_SIZE, decode_png),
        Case(RAW, BATCH_SIZE, take),
        *(
            Case(
                f"encoding {len(moments)} frames to codes, {threads}",
                len(moments),
                threads.running(lambda: generator.encode(moments)),
                against=("encoding PNG",),
            )
            for threads in choices
        ),
        Case("encoding PNG", len(moments), encode_png),
    ]
    yield from rate_rows("codes", "frames/s", cases, stopwatch.timings(cases))
