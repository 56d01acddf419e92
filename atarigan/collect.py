"""`python -m atarigan.collect`: play an environment and store its steps."""

import contextlib
import dataclasses
import math
import shutil
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import tyro

from atarigan.cli import command_line
from atarigan.cli.progress import ProgressDisplay
from atarigan.cli.stop_request import StopRequest
from atarigan.config.condition import CLASS, CODE, NONE, check_condition
from atarigan.config.ray_cluster import connected, num_cpus
from atarigan.data.buffer.frame_buffer import FrameBuffer
from atarigan.data.buffer.meta import Origin
from atarigan.data.collection.agent_steps import MAX_FRAME_SKIP, MAX_NUM_POOLED, NUM_POOLED
from atarigan.data.collection.collection import (
    PATIENCE_S,
    CollectionSummary,
    StartEngine,
    collect,
    default_num_envs,
)
from atarigan.data.collection.env_kwargs import parsed_kwargs
from atarigan.data.collection.new_buffer import create_buffer
from atarigan.data.collection.ray_engine import RayEngine
from atarigan.data.collection.standstill import MAX_STILL_FRAMES
from atarigan.data.collection.supervisor import Supervisor, WorkerDiedError
from atarigan.data.collection.worker import env_of
from atarigan.data.provenance import nondefault_kwargs
from atarigan.errors import InputError, flag_of, shown
from atarigan.images.pixels import parse_size

EXIT_PROCESS_DIED = 1
MAX_NUM_ENVS = 1024
HARMLESS_POLICIES = (None, "random", "scripted")


def _default(value: str, metavar: str) -> Any:
    """Set the help of a flag whose default with --append is the buffer's setting."""
    hint = f"(default: {value}; with --append the buffer's)"
    return tyro.conf.arg(metavar=metavar, help_behavior_hint=hint)


@dataclass(frozen=True)
class CollectArguments:
    """Play an environment and store the frame, action, reward and state of every agent step.

    Ctrl-C keeps the stored steps; --append continues from there, also in several processes and on
    several machines at the same time. Each part of a buffer has seeds of its own.
    """

    out: str
    """Folder of the buffer."""
    num_steps: int = 20_000
    """Agent steps to collect."""
    env_id: Annotated[str | None, _default("ALE/Breakout-v5", "ID")] = None
    """Gymnasium id of an environment with image observations or rgb_array rendering."""
    env_kwargs: Annotated[str | None, _default("{}", "JSON")] = None
    """Further arguments of the environment, as JSON: '{"difficulty": 1}'. max_episode_steps counts
    agent steps.
    """
    num_envs: int = 0
    """Number of processes, each with one environment, whose seeds and episodes differ; 0: one for
    each CPU core, at most 8, with at least 1000 steps each. The number chosen is printed.
    """
    policy: Annotated[str | None, _default("random", "NAME")] = None
    """random; scripted (Pong, Breakout, Boxing, Bowling and CartPole-v1); sb3:ALGO:FILE.zip, a
    stable-baselines3 model (only one that you trust, because loading can run code); or
    module:function, called as function(frame_rgb, state, action_space, rng).
    """
    policy_preprocessing: Annotated[
        str | None, _default("as recorded in the file, else sb3", "NAME")
    ] = None
    """What the model of --policy sb3 was trained with: sb3 (make_atari_env, which pools the last
    two frames), sb3-unpooled (AtariWrapper(frame_skip=1)), gymnasium (AtariPreprocessing), or clone
    (atarigan.clone, unpooled). It decides what the policy sees, and --max-pool what is stored.
    """
    policy_layout: Annotated[
        str | None, _default("as recorded in the file, else by the shape", "AXES")
    ] = None
    """Axes of the model's observations, such as KHW for a stack of gray frames and KCHW for one of
    RGB frames: K for the stack, C for colors.
    """
    epsilon: Annotated[float | None, _default("0", "FLOAT")] = None
    """Probability of a random action instead of the policy's."""
    vary_epsilon: bool = False
    """Draw the probability anew for each episode, from 0 to --epsilon and mostly near 0, so that
    the quality of play varies.
    """
    frame_format: Annotated[str | None, _default("gray", "{gray,rgb,palette}")] = None
    """gray, rgb, or palette: ALE's color index, one byte a pixel, which gives the exact color."""
    frame_size: Annotated[str | None, _default("84x84", "HxW")] = None
    """HEIGHTxWIDTH of the stored frames, or native."""
    frame_skip: Annotated[int | None, _default("4 for ALE's games, else 1", "INT")] = None
    """Number of frames that each action is repeated for."""
    sticky: Annotated[
        float | None, _default("the environment's own, 0.25 for ALE's games", "FLOAT")
    ] = None
    """Probability that a frame of a game of ALE repeats the action before it. The number of
    repeated frames is stored with each step, as are the lives and the resistance of the paddle.
    """
    max_pool: bool = False
    """Store the pixelwise maximum of the last two emulator frames of each agent step, for games
    whose objects flicker.
    """
    num_pooled: Annotated[int | None, _default("2 with --max-pool, else 1", "INT")] = None
    """Number of frames in this maximum, for games whose objects flicker over more than two frames;
    implies --max-pool.
    """
    max_still_frames: Annotated[int | None, _default("8000", "INT")] = None
    """Frames without a reward, a lost life or a new screen after which an episode is truncated; 0:
    never.
    """
    layout: Annotated[str | None, _default("by its wrappers", "AXES")] = None
    """Axes of the environment's image observations, for a stack or colors that are not recognized:
    K for stacked frames, H, W, C for colors. KHW: gray frames one after the other.
    """
    condition: Annotated[
        str | None, _default("ram, else an observation that is a vector, else none", "STATE")
    ] = None
    """State to store with each frame, for generators that draw the frame of a state: ram (the
    128 bytes of memory of ALE's console), observation (a vector of numbers), info:KEY (an entry of
    the environment's info), or none, which suffices for learned codes; code means the same.
    """
    no_frames: bool = False
    """Store the states without frames. GeneratedReplay generates frames from them, in the format
    and size given here.
    """
    capacity: Annotated[int | None, _default("--num-steps", "INT")] = None
    """Number of steps that the buffer keeps. If it is less than --num-steps, further steps
    overwrite the oldest. With --append, a larger number lets the buffer grow.
    """
    overwrite_oldest: bool = False
    """With --append, let further steps overwrite the oldest ones if the buffer is full."""
    seed: Annotated[int | None, _default("0", "INT")] = None
    """Seed of environments and policy."""
    patience_s: float = PATIENCE_S
    """Seconds without a step after which a process is killed and restarted; 0 waits forever."""
    ray: str | None = None
    """Collect on all nodes of a Ray cluster (an optional extra): auto, or HOST:PORT of its head.
    Each process takes a CPU of the cluster and waits until one is free. A node that does not
    see the folder --out sends its steps here.
    """
    ray_stream: bool = False
    """With --ray, send the steps of all nodes here, also where they see the folder --out."""
    append: bool = False
    """Continue with the buffer in --out and its settings. A setting that can run code, such as a
    model or a module, must be given again.
    """


def main(argv: Sequence[str] | None = None) -> int:
    """Run the command and return its exit status."""
    arguments = command_line.parse(CollectArguments, argv, command="collect")
    check_numbers(arguments)
    if arguments.condition == CODE:  # frames are all that an encoder needs
        arguments = dataclasses.replace(arguments, condition=NONE)
    try:
        with _engine(arguments) as (start, num_cpus):
            chosen = arguments.num_envs or default_num_envs(arguments.num_steps, num_cpus)
            num_envs = min(arguments.num_steps, chosen)
            with _buffer_for(arguments, num_envs) as buffer:
                summary = _collected(buffer, arguments, num_envs, start)
    except WorkerDiedError as error:
        print(f"python -m atarigan.collect: {error}", file=sys.stderr)
        return EXIT_PROCESS_DIED
    for node, num_steps in summary.steps_by_node.items():
        print(f"node {node}: {num_steps:,} agent steps, {_per_s(num_steps, summary)}")
    print(described(summary, buffer))
    num_left = arguments.num_steps - summary.num_steps
    if num_left:
        print(
            f"stopped; {buffer.path} holds {len(buffer):,} agent steps: continue with "
            f"--append --num-steps {num_left}"
        )
        return command_line.EXIT_INTERRUPTED
    return command_line.EXIT_OK


def check_numbers(arguments: CollectArguments) -> None:
    """Raise InputError if a number is out of range, whatever the environment is."""
    ranges: dict[str, tuple[float | None, float, float]] = {
        "num_steps": (arguments.num_steps, 1, math.inf),
        "num_envs": (arguments.num_envs, 0, MAX_NUM_ENVS),
        "patience_s": (arguments.patience_s, 0, math.inf),
        "frame_skip": (arguments.frame_skip, 1, MAX_FRAME_SKIP),
        "num_pooled": (arguments.num_pooled, 2, MAX_NUM_POOLED),
        "max_still_frames": (arguments.max_still_frames, 0, math.inf),
        "capacity": (arguments.capacity, 1, math.inf),
        "seed": (arguments.seed, 0, math.inf),
    }
    for name, (value, least, most) in ranges.items():
        if value is not None and not least <= value <= most:
            rule = f"at least {least}" if not value >= least else f"at most {most}"
            raise InputError(f"--{name.replace('_', '-')} must be {rule}, not {value}")
    if arguments.condition is not None:
        check_condition(arguments.condition)
        if arguments.condition == CLASS:
            raise InputError("--condition must be a state of the environment, not 'class'")
    if arguments.ray_stream and arguments.ray is None:
        raise InputError("--ray-stream needs --ray auto or --ray HOST:PORT")
    if arguments.vary_epsilon and not arguments.append and not arguments.epsilon:
        raise InputError("--vary-epsilon needs --epsilon above 0, the most that it draws")


@contextlib.contextmanager
def _engine(arguments: CollectArguments) -> Iterator[tuple[StartEngine, int | None]]:
    """Yield what plays shares, and the number of its CPUs; None for those of this machine."""
    if arguments.ray is None:
        yield Supervisor, None
        return
    with connected(arguments.ray) as ray:
        yield partial(RayEngine, streams=arguments.ray_stream), num_cpus(ray)


def _collected(
    buffer: FrameBuffer, arguments: CollectArguments, num_envs: int, start: StartEngine
) -> CollectionSummary:
    """Collect, show the progress, and stop after Ctrl-C."""
    num_steps = arguments.num_steps
    if arguments.num_envs == 0:
        print(f"collecting with --num-envs {num_envs}, by the number of CPU cores and of steps")
    is_small = not arguments.append and (arguments.capacity or num_steps) < num_steps
    with ProgressDisplay("collecting", "agent steps", num_steps) as display, StopRequest() as stop:
        return collect(
            buffer,
            num_steps,
            num_envs=num_envs,
            overwrite_oldest=arguments.overwrite_oldest or is_small,
            patience_s=arguments.patience_s,
            report=display.update,
            should_stop=lambda: stop.is_set,
            start=start,
        )


def described(summary: CollectionSummary, buffer: FrameBuffer) -> str:
    """Describe a collection in one line."""
    files = [path.stat() for path in buffer.path.rglob("*") if path.is_file()]
    num_bytes = sum(getattr(file, "st_blocks", file.st_size / 512) * 512 for file in files)
    returns = f", mean return {summary.mean_return:.2f}" if summary.num_episodes else ""
    num_lost = buffer.num_collected - len(buffer)
    lost = f", the oldest {num_lost:,} overwritten" if num_lost else ""
    return (
        f"stored {summary.num_steps:,} agent steps at {_per_s(summary.num_steps, summary)}, "
        f"{summary.num_episodes:,} episodes{returns}; {len(buffer):,} agent steps{lost}, "
        f"{num_bytes / 1e6:,.1f} MB on disk in {buffer.path}"
    )


def _per_s(num_steps: int, summary: CollectionSummary) -> str:
    return f"{num_steps / max(summary.elapsed_s, 1e-9):,.0f} agent steps per second"


@contextlib.contextmanager
def _buffer_for(arguments: CollectArguments, num_envs: int) -> Iterator[FrameBuffer]:
    """Open or create the buffer; remove a new one that stays empty because of an error."""
    path = Path(arguments.out)
    if arguments.append:
        buffer = FrameBuffer.open(path)
        refuse_code_named_by_buffer(arguments, buffer)
        check_flags(arguments, buffer)
        if not arguments.overwrite_oldest:
            check_room(buffer, arguments.num_steps, arguments.capacity or 0)
        if arguments.capacity is not None:
            buffer.grow(arguments.capacity)
        yield buffer
        return
    if (path / "meta.json").exists():
        raise InputError(f"{path} holds a buffer already: add --append to continue with it")
    buffer = _new_buffer(path, arguments, num_envs)
    try:
        yield buffer
    except BaseException:
        buffer.refresh()
        if buffer.num_collected == 0:
            shutil.rmtree(path, ignore_errors=True)
        raise


def _new_buffer(path: Path, arguments: CollectArguments, num_envs: int) -> FrameBuffer:
    origin = Origin(
        env_id=arguments.env_id or "ALE/Breakout-v5",
        env_kwargs=parsed_kwargs(arguments.env_kwargs or "{}"),
        policy=arguments.policy,
        policy_preprocessing=arguments.policy_preprocessing,
        policy_layout=arguments.policy_layout,
        epsilon=arguments.epsilon or 0.0,
        vary_epsilon=arguments.vary_epsilon,
        seed=arguments.seed,
        frame_skip=arguments.frame_skip or 0,
        max_pool=arguments.max_pool or arguments.num_pooled is not None,
        num_pooled=arguments.num_pooled or NUM_POOLED,
        max_still_frames=(
            MAX_STILL_FRAMES if arguments.max_still_frames is None else arguments.max_still_frames
        ),
        layout=arguments.layout,
        sticky=arguments.sticky,
    )
    return create_buffer(
        path,
        origin,
        format_name=arguments.frame_format or "gray",
        size=parsed_size(arguments.frame_size or "84x84"),
        capacity=arguments.num_steps if arguments.capacity is None else arguments.capacity,
        num_envs=num_envs,
        stores_frames=not arguments.no_frames,
        condition=arguments.condition,
    )


def refuse_code_named_by_buffer(arguments: CollectArguments, buffer: FrameBuffer) -> None:
    """Raise InputError if code would run that only meta.json names.

    A buffer may come from elsewhere, so the user has to name the code.
    """
    origin = buffer.meta.origin
    env_id = origin.env_id or ""
    named_by_buffer = {
        "policy": origin.policy if origin.policy not in HARMLESS_POLICIES else None,
        "env_id": env_id if ":" in env_id else None,
        "env_kwargs": origin.env_kwargs if not env_id.startswith("ALE/") else None,
    }
    for name, value in named_by_buffer.items():
        if value and getattr(arguments, name) is None:
            flag = flag_of(name)
            raise InputError(
                f"{flag} must be given with --append, as it can run code, which "
                f"{buffer.path} only suggests: {shown(value)}"
            )


def check_room(buffer: FrameBuffer, num_steps: int, capacity: int) -> None:
    """Raise InputError if further steps would overwrite stored ones, also with this capacity."""
    num_needed = len(buffer) + num_steps
    if num_needed > max(buffer.capacity, capacity):
        raise InputError(
            f"{buffer.path} keeps {buffer.capacity} steps and holds {len(buffer)}, so that "
            f"--num-steps {num_steps} would overwrite the oldest: let it grow with "
            f"--capacity {num_needed}, or add --overwrite-oldest"
        )


def check_flags(arguments: CollectArguments, buffer: FrameBuffer) -> None:
    """Raise InputError if a flag differs from the settings that the buffer was created with."""
    meta = buffer.meta
    asked = dataclasses.asdict(arguments)
    if arguments.env_kwargs is not None:
        asked["env_kwargs"] = parsed_kwargs(arguments.env_kwargs)
    if arguments.frame_size is not None:
        asked["frame_size"] = parsed_size(arguments.frame_size) or native_size(buffer)
    for name in ("vary_epsilon", "max_pool", "no_frames"):
        asked[name] = asked[name] or None  # the flag is not given
    if arguments.num_pooled is not None and not meta.origin.max_pool:
        asked["max_pool"] = True
    settings = dataclasses.asdict(buffer.meta.origin) | {
        "no_frames": not meta.stores_frames,
        "condition": NONE if meta.state is None else meta.state.kind,
        "frame_format": meta.frame_format.name,
        "frame_size": (meta.frame_format.height, meta.frame_format.width),
    }
    env_id = str(meta.origin.env_id)
    for name, value in settings.items():
        if name == "env_kwargs" and asked[name] is not None:
            asked[name] = nondefault_kwargs(env_id, asked[name])
            value = nondefault_kwargs(env_id, value)
        if asked.get(name) not in (None, value):
            flag = flag_of(name)
            raise InputError(f"{flag} must be {value!r}, as in {buffer.path}, not {asked[name]!r}")


def native_size(buffer: FrameBuffer) -> tuple[int, int]:
    """Return (height, width) of the screen of the buffer's environment."""
    with contextlib.closing(env_of(buffer.meta)) as env:
        return env.screen.height, env.screen.width


def parsed_size(text: str) -> tuple[int, int] | None:
    """Parse "84x84" to (height, width), and "native" to None; else raise InputError."""
    return None if text == "native" else parse_size(text, "--frame-size", other=" or native")


if __name__ == "__main__":
    command_line.run(main, command="collect")
