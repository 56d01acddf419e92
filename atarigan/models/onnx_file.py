"""Writes generators as ONNX files and compares the files with the generators."""

import json
import logging
import warnings
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atarigan.config.extras import imported
from atarigan.files import atomic
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.onnx_generator import (
    INPUTS,
    LATENT_SIZE_KEY,
    METADATA_KEY,
    OnnxGenerator,
)

MODULES = ("onnx", "onnxscript", "onnxruntime")
NUM_CHECKED = 64
_NUM_TRACED = 8


def write_onnx(generator: FrameGenerator, out: Path) -> None:
    """Write a generator as an ONNX file; a reader never sees a part of it.

    Raises:
        InputError: a module of the extra is not installed.
    """
    for name in MODULES:
        imported(name, "onnx")
    inputs = example_inputs(generator, _NUM_TRACED)
    batch = torch.export.Dim("batch", min=1)
    logging.getLogger("torch.onnx").setLevel(logging.ERROR)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the exporter's, about itself
        program: Any = torch.onnx.export(
            generator.network(),
            inputs,
            dynamo=True,
            dynamic_shapes=({0: batch},) * len(inputs),
            input_names=INPUTS[: len(inputs)],
            output_names=["samples"],
            verbose=False,
        )
    program.model.metadata_props[METADATA_KEY] = json.dumps(asdict(generator.model))
    program.model.metadata_props[LATENT_SIZE_KEY] = str(generator.latent_size)
    with atomic.new_file(out) as temporary:
        program.save(temporary)


def example_inputs(generator: FrameGenerator, num: int) -> tuple[Tensor, ...]:
    """Return the network's inputs for `num` samples of seed 0."""
    latents = generator.latents(num, seed=0)
    numbers = torch.from_numpy(latents[:, : generator.model.run.latent_size].copy())
    if generator.state is not None:
        return numbers, torch.from_numpy(generator.states(latents))
    if generator.num_classes:
        labels = np.arange(num) % generator.num_classes
        return numbers, torch.from_numpy(generator.conditions(labels))
    return (numbers,)


def compared(generator: FrameGenerator, file: Path) -> str:
    """Return a sentence about the differences between ONNX Runtime's samples and torch's."""
    inputs = example_inputs(generator, NUM_CHECKED)
    found = OnnxGenerator.load(file).samples(*(each.numpy() for each in inputs))
    with torch.inference_mode():
        expected = generator.network()(*inputs).numpy()
    furthest = float(np.abs(found.astype(np.float64) - expected).max())
    kind = "levels" if generator.makes_frames else "units"
    return (
        f"{NUM_CHECKED} samples by ONNX Runtime: {(found == expected).mean():.4%} of numbers as by "
        f"torch, the others at most {furthest:.3g} {kind} off"
    )
