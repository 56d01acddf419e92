"""`device`: frames that are drawn and stay on the device, against its roofline."""

import functools
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import torch
from torch import Tensor

from atarigan.envs import DreamVectorEnv, WalkingVectorEnv
from atarigan.models import shipped
from atarigan.models.captured_update import replayed
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.state.state_prior import StatePrior
from benchmarks import breakout, peers
from benchmarks.measurement import Case, Stopwatch
from benchmarks.report import Row, rate_rows
from benchmarks.roofline import Roofline, Work, limit_cases, limit_rows, roofline_rows, work_of
from benchmarks.threads import thread_choices

BENCHMARK = "device"
NUM_GAMES = 6
SHARE = "share of pixels"
_NUM_COUNTED = 16  # frames whose operations are counted
_LARGEST_EAGER = 1024
_COMPILED_BATCH = 8192


def measure(stopwatch: Stopwatch) -> Iterator[Row]:
    """The device's own rates; frames of given and of drawn states in batches of every size; vector
    environments without an emulator; and how many pixels differ from a CPU's.
    """
    limits = limit_cases(stopwatch)
    timings = stopwatch.timings(limits)
    yield from limit_rows(BENCHMARK, limits, timings)
    roofline = Roofline.of(timings)
    makers = {
        f"{breakout.STATE_RECIPE}, 84x84 gray": breakout.state_generator,
        "profiles, native RGB": breakout.native_generator,
    }
    for name, make in makers.items():
        yield from frames(stopwatch, name, make, roofline)
    yield from drawn_states(stopwatch)
    yield from faster_arithmetic(stopwatch)
    yield from vectors(stopwatch, roofline)
    yield from differing_pixels(stopwatch)


def batch_sizes(stopwatch: Stopwatch) -> tuple[int, ...]:
    """Frames drawn at once: as many as the device has use for."""
    full = (1, 16, 256, 1024, 8192, 65_536) if stopwatch.device == "cuda" else (1, 16, 256, 1024)
    return stopwatch.sized(full=full, quick=(1, 16))


def frames(
    stopwatch: Stopwatch,
    name: str,
    make: Callable[[str], FrameGenerator],
    roofline: Roofline,
) -> Iterator[Row]:
    """Rows of a generator; small batches of given states also without captured graphs."""
    generator, counted = make(stopwatch.device), make("cpu")
    few = inputs_of(counted, _NUM_COUNTED)
    cases, works = [], dict[str, Work]()
    for size in batch_sizes(stopwatch):
        latents, states = inputs_of(generator, size)
        given, drawn, eager = (
            f"{name}, {kind}, batch {size}"
            for kind in ("given states", "drawn states", "given states, eager")
        )
        against = (eager,) if size <= _LARGEST_EAGER else ()
        draw = generator.decode_on_device
        cases += [
            Case(given, size, functools.partial(draw, latents, states), against),
            Case(drawn, size, functools.partial(draw, latents)),
        ]
        if against:
            cases.append(Case(eager, size, eagerly(generator, latents, states)))
        works[given] = work_of(counted.decode_on_device, counted.network(), few, size)
        works[drawn] = work_of(counted.decode_on_device, counted.network(), few[:1], size)
    with_threads(stopwatch)
    rows = list(rate_rows(BENCHMARK, "frames/s", cases, stopwatch.timings(cases)))
    yield from rows
    yield from roofline_rows(rows, works, roofline)


def drawn_states(stopwatch: Stopwatch) -> Iterator[Row]:
    """States alone: by the captured loop over groups, and on a GPU by one Triton kernel."""
    prior = prior_of(breakout.state_generator(stopwatch.device))
    draws: dict[str, Callable[[Tensor], Tensor]] = {
        "loop over groups": replayed(
            prior.states, max(batch_sizes(stopwatch)), torch.device(stopwatch.device)
        )
    }
    if stopwatch.device == "cuda" and peers.installed("triton") is not None:
        from benchmarks.state_kernel import StateKernel

        draws["one Triton kernel"] = StateKernel(prior).states
    cases, differing = [], []
    for size in batch_sizes(stopwatch):
        quantiles = torch.rand(size, prior.num_quantiles, device=stopwatch.device)
        names = [f"{breakout.STATE_RECIPE}, states, {name}, batch {size}" for name in draws]
        for name, draw in zip(names, draws.values(), strict=True):
            against = () if name == names[0] else (names[0],)
            work = functools.partial(in_inference, functools.partial(draw, quantiles))
            cases.append(Case(name, size, work, against))
        first, *others = (
            in_inference(functools.partial(each, quantiles)) for each in draws.values()
        )
        for name, found in zip(names[1:], others, strict=True):
            share = (found != first).float().mean().item()
            differing.append(Row(BENCHMARK, f"{name}: that differ", share, "share of bytes"))
    yield from rate_rows(BENCHMARK, "states/s", cases, stopwatch.timings(cases))
    yield from differing


def prior_of(generator: FrameGenerator) -> StatePrior:
    """The prior of a generator that reads RAM."""
    network: Any = generator.network()
    prior: StatePrior = network.network.prior
    return prior


def faster_arithmetic(stopwatch: Stopwatch) -> Iterator[Row]:
    """Frames of given states in bfloat16, and compiled by torch where that has a GPU to gain on."""
    size = stopwatch.sized(full=_COMPILED_BATCH if stopwatch.device == "cuda" else 256, quick=16)
    generator = breakout.state_generator(stopwatch.device)
    latents, states = inputs_of(generator, size)
    usual = f"{breakout.STATE_RECIPE}, fp32, batch {size}"
    whole = functools.partial(generator.decode_on_device, latents, states)
    cases = [
        Case(usual, size, whole),
        Case(
            f"{breakout.STATE_RECIPE}, bf16, batch {size}",
            size,
            functools.partial(in_bfloat16, eagerly(generator, latents, states), stopwatch.device),
            (usual,),
        ),
    ]
    if stopwatch.device == "cuda":
        compiled = torch.compile(generator.network(), dynamic=False)
        numbers = latents[:, : generator.model.run.latent_size]
        work = functools.partial(in_inference, functools.partial(compiled, numbers, states))
        name = f"{breakout.STATE_RECIPE}, fp32, torch.compile, batch {size}"
        cases.append(Case(name, size, work, (usual,)))
    yield from rate_rows(BENCHMARK, "frames/s", cases, stopwatch.timings(cases))


def vectors(stopwatch: Stopwatch, roofline: Roofline) -> Iterator[Row]:
    """Environments of several games whose observations are tensors of the device. Their rooflines
    are those of the frames alone.
    """
    num_envs = stopwatch.sized(full=8192 if stopwatch.device == "cuda" else 64, quick=2)
    num_games = stopwatch.sized(full=NUM_GAMES, quick=1)
    peer = breakout.bare_vector_case(stopwatch.num_envs)
    cases, works = [peer], dict[str, Work]()
    kinds: dict[str, tuple[Any, list[str], int]] = {
        "WalkingVectorEnv": (WalkingVectorEnv, shipped.names(), 1),
        "DreamVectorEnv": (DreamVectorEnv, shipped.names_of_dreams(), 2),
    }
    for kind, (make, games, num_inputs) in kinds.items():
        for game in games[:num_games]:
            name = f"{kind}, torch, {game}, {num_envs} environments"
            envs = make(game, num_envs, output="torch", device=stopwatch.device)
            cases.append(Case(name, num_envs, breakout.vector_stepping(envs), (peer.name,)))
            counted = FrameGenerator.load(game, "cpu")
            few = inputs_of(counted, _NUM_COUNTED)[:num_inputs]
            works[name] = work_of(counted.decode_on_device, counted.network(), few, num_envs)
    rows = list(rate_rows(BENCHMARK, "agent steps/s", cases, stopwatch.timings(cases)))
    yield from rows
    yield from roofline_rows(rows, works, roofline)


def differing_pixels(stopwatch: Stopwatch) -> Iterator[Row]:
    """How many pixels of the same states differ from those that a CPU draws in float32."""
    size = stopwatch.sized(full=1024, quick=16)
    here, there = (breakout.state_generator(device) for device in ("cpu", stopwatch.device))
    expected = here.decode_on_device(*inputs_of(here, size)).numpy()
    latents, states = inputs_of(there, size)
    draw = eagerly(there, latents, states)
    drawn = {
        "fp32": there.decode_on_device(latents, states),
        "bf16": in_bfloat16(draw, stopwatch.device),
    }
    for name, found in drawn.items():
        share = float((found.cpu().numpy() != expected).mean())
        case = f"{breakout.STATE_RECIPE}, {name}: pixels that differ from a CPU's in fp32"
        yield Row(BENCHMARK, case, share, SHARE)


def inputs_of(generator: FrameGenerator, size: int) -> tuple[Tensor, Tensor]:
    """Latents and played states of a batch on the device of a generator."""
    rams = np.stack([step["ram"] for step in breakout.play(min(size, 256))])
    assert generator.state is not None
    states = generator.state.with_no_op(np.resize(rams, (size, rams.shape[1])))
    latents = torch.from_numpy(generator.latents(size, 0))
    return latents.to(generator.device), torch.from_numpy(states).to(generator.device)


def eagerly(generator: FrameGenerator, latents: Tensor, states: Tensor) -> Callable[[], Tensor]:
    """What draws frames of states, kernel by kernel."""
    network, numbers = generator.network(), latents[:, : generator.model.run.latent_size]
    return functools.partial(in_inference, functools.partial(network, numbers, states))


@torch.inference_mode()
def in_inference(work: Callable[[], Tensor]) -> Tensor:
    return work()


def in_bfloat16(work: Callable[[], Tensor], device: str) -> Tensor:
    """Do some work with matrix products in bfloat16."""
    with torch.autocast(device, torch.bfloat16):
        return work()


def with_threads(stopwatch: Stopwatch) -> None:
    """Compute with all threads of a CPU."""
    torch.set_num_threads(thread_choices(stopwatch.device)[-1].num)
