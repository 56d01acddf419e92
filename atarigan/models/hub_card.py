"""Cards of models on the Hugging Face Hub: what a model is, how to use it, what was measured."""

import math
import re
import shutil
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from atarigan.config.extras import imported
from atarigan.errors import InputError
from atarigan.files import typed_json
from atarigan.files.untrusted_paths import confined
from atarigan.models.hub import CARD_FILE
from atarigan.models.model_config import ModelConfig

PICTURE = "frames.png"
_METRICS_FILES = ("metrics.json", "policy/metrics.json")
_SHOWN_FACTS = ("evaluated_on", "env_id", "num", "agent_steps", "episodes", "features", "seed")
READ_BY_CONDITION = {
    "ram": "a state of the console's RAM",
    "ram+action": "a state of the console's RAM and the newest action",
    "class": "a class",
}
"""What a generator reads, by the setting `condition`."""
_SHOWN_PICTURE = f"![Samples that its generator drew]({PICTURE})"
_DRAW = """\
from atarigan import FrameGenerator

generator = FrameGenerator.from_pretrained("REPOSITORY")
samples = generator.{method}(16, seed=0)
"""
_WRAP = """
import gymnasium as gym

env = gym.make(
    "atarigan:atarigan/Generated-v0", env_id="{env_id}", generator="hf://REPOSITORY"
)
"""
_PLAY = """\
import gymnasium as gym

env = gym.make("atarigan:atarigan/Dream-v0", model="hf://REPOSITORY")
"""
_METADATA = "---\n"  # what begins a card that has its metadata already


@dataclass(frozen=True)
class MeasuredScore:
    """A score of metrics.json, as `atarigan.evaluate` writes it."""

    value: float
    floor: float
    interval: tuple[float, float]
    better: Literal["lower", "higher"]


@dataclass(frozen=True)
class Measurement:
    """What an evaluation measured.

    Attributes:
        scores: scores by metric.
        facts: what was evaluated, by name.
    """

    scores: dict[str, MeasuredScore]
    facts: dict[str, Any]


@dataclass(frozen=True)
class ModelFacts:
    """What the card of a model says.

    Attributes:
        title: its heading.
        pipeline_tag: task, as the Hub names it; None without one.
        tags: words to find it by.
        data: name of what it learned.
        text: a paragraph on what it does.
        rows: further facts by name.
        usage: Python that uses it; `REPOSITORY` stands for its name.
    """

    title: str
    pipeline_tag: str | None
    tags: Sequence[str]
    data: str
    text: str
    rows: Mapping[str, str]
    usage: str


def generator_facts(model: ModelConfig) -> ModelFacts:
    """Return what the card of a generator says."""
    run, origin, form = model.run, model.provenance, model.sample.frame_format
    data = _plain(origin.env_id or (Path(run.data).name if run.data else run.source))
    kind = f"{form.height}×{form.width} {form.name} frames" if form else "points"
    reads = READ_BY_CONDITION.get(run.condition)
    usage = _DRAW.format(method="sample" if form else "sample_points")
    if form and origin.env_id:
        usage += _WRAP.format(env_id=data)
    return ModelFacts(
        title=data,
        pipeline_tag="unconditional-image-generation" if form else None,
        tags=[*_tags(origin.env_id), "gan"],
        data=data,
        text=f"A generator of {kind}, trained on `{data}` with atarigan.",
        rows={
            "Data": f"`{_plain(run.source)}`, `{data}`"
            + (f", frame skip {origin.frame_skip}" if origin.frame_skip else ""),
            "Draws": kind + (f" of {reads}, or of one that it draws itself" if reads else ""),
            "Network": f"`{_plain(run.network)}`, objective `{_plain(run.objective)}`, latents of "
            f"{run.latent_size} numbers",
            "Weights": "matrices in 8 bits, as `python -m atarigan.pack` writes them",
        },
        usage=usage,
    )


def dream_facts(env_id: str, frame_skip: int, sticky: float, drawn_by: str) -> ModelFacts:
    """Return what the card of a dream says.

    Args:
        env_id: id of the game.
        frame_skip: emulator frames of an agent step.
        sticky: probability that a frame repeats the action before it.
        drawn_by: what draws its frames.
    """
    game = _plain(env_id)
    return ModelFacts(
        title=f"{game}, a dream",
        pipeline_tag="reinforcement-learning",
        tags=[*_tags(env_id), "world-model"],
        data=game,
        text=f"A learned `{game}`, made with atarigan: from RAM and an action it predicts the next "
        "RAM, the reward, the lives and the end of the episode, without an emulator.",
        rows={
            "Frames": drawn_by,
            "Frame skip": str(frame_skip),
            "Sticky actions": f"with probability {sticky:g}",
        },
        usage=_PLAY,
    )


def _plain(text: str) -> str:
    """Return a name from a file without what Markdown and Python would take for their own."""
    return re.sub(r"[^\w ./-]", "", text)


def _tags(env_id: str | None) -> list[str]:
    """Return words to find a model of an environment by."""
    if env_id is None:
        return []
    namespace, _, name = _plain(env_id).rpartition("/")
    return ["gymnasium", *(["atari"] if namespace == "ALE" else []), name]


def measurements(weights_sha256: str | None, folders: Sequence[Path]) -> list[Measurement]:
    """Return what evaluations of the weights with this checksum have written into folders.

    Warns about an evaluation of other weights.

    Raises:
        InputError: a metrics.json is damaged, or a link leads out of its folder.
    """
    found = []
    for folder in folders:
        for name in _METRICS_FILES:
            try:
                path = confined(folder / name, folder)
            except FileNotFoundError:
                continue
            measurement = _read(path)
            if measurement.facts.get("weights_sha256") == weights_sha256:
                found.append(measurement)
            else:
                warnings.warn(
                    f"{path} is not of these weights, or of an earlier version, and is left out: "
                    "evaluate them again",
                    stacklevel=2,
                )
    return found


def _read(path: Path) -> Measurement:
    record = typed_json.load_json(path)
    if not isinstance(record, dict) or not isinstance(record.get("metrics"), dict):
        raise InputError(f"{path} must hold a table of metrics")
    scores = {
        _plain(str(name)): typed_json.from_dict(MeasuredScore, score, f"{path}: {name}")
        for name, score in record["metrics"].items()
    }
    return Measurement(scores, {name: record[name] for name in record if name != "metrics"})


def write_card(
    folder: Path,
    repository: str,
    facts: ModelFacts,
    measured: Sequence[Measurement],
    given: Path | None = None,
) -> None:
    """Write the card of a model into its folder.

    Args:
        folder: the model's; a picture `frames.png` in it is shown.
        repository: "USER/NAME".
        facts: what the card says.
        measured: what it reports.
        given: a folder that may have a card already, with its picture. Its text takes the place of
            the facts; one with metadata of its own stays as it is.

    Raises:
        InputError: huggingface_hub is not installed.
    """
    text = _given_card(given, folder) if given else None
    if text is None or not text.startswith(_METADATA):
        usage = facts.usage.replace("REPOSITORY", repository)
        shows_picture = (folder / PICTURE).exists() and f"({PICTURE})" not in (text or "")
        parts = [
            _metadata(repository, facts, measured),
            (text or _text_of(facts)).strip(),
            *([_SHOWN_PICTURE] if shows_picture else []),
            f"## Use\n\n```sh\npip install 'atarigan[hub]'\n```\n\n```python\n{usage}```",
            *map(_measured_text, measured),
        ]
        text = "\n\n".join(parts) + "\n"
    (folder / CARD_FILE).write_text(text, encoding="utf-8")


def _given_card(given: Path, folder: Path) -> str | None:
    """Return the text of a folder's card, and copy its picture; None if there is none."""
    try:
        text = confined(given / CARD_FILE, given).read_text(encoding="utf-8")
    except FileNotFoundError:
        return None
    except UnicodeDecodeError:
        raise InputError(f"{given / CARD_FILE} must be text in UTF-8") from None
    with_picture = given / PICTURE
    if with_picture.exists():
        shutil.copyfile(confined(with_picture, given), folder / PICTURE)
    return text


def _metadata(repository: str, facts: ModelFacts, measured: Sequence[Measurement]) -> str:
    hub = imported("huggingface_hub", "hub")
    task = facts.pipeline_tag or "other"
    results = [
        hub.EvalResult(
            task_type=task,
            dataset_type=facts.data,
            dataset_name=facts.data,
            metric_type=name,
            metric_value=float(f"{score.value:.6g}"),
            metric_name=name,
        )
        for name, score in _scores(measured)
    ]
    data = hub.ModelCardData(
        library_name="atarigan",
        pipeline_tag=facts.pipeline_tag,
        tags=list(facts.tags),
        model_name=repository.partition("/")[2],
        eval_results=results or None,
    )
    return f"{_METADATA}{data.to_yaml()}\n{_METADATA.strip()}"


def _scores(measured: Sequence[Measurement]) -> Iterator[tuple[str, MeasuredScore]]:
    for each in measured:
        yield from ((name, score) for name, score in each.scores.items() if _is_finite(score))


def _is_finite(score: MeasuredScore) -> bool:
    return all(map(math.isfinite, (score.value, score.floor, *score.interval)))


def _text_of(facts: ModelFacts) -> str:
    rows = "\n".join(f"| {name} | {value} |" for name, value in facts.rows.items())
    return f"# {facts.title}\n\n{facts.text}\n\n| | |\n|---|---|\n{rows}"


def _measured_text(measured: Measurement) -> str:
    facts = ", ".join(
        f"{name.replace('_', ' ')}: {_plain(str(measured.facts[name]))}"
        for name in _SHOWN_FACTS
        if measured.facts.get(name) is not None
    )
    rows = [
        f"| {name} | {score.value:.4g} | {score.interval[0]:.4g} to {score.interval[1]:.4g} "
        f"| {score.floor:.4g} | {score.better} |"
        for name, score in _scores([measured])
    ]
    heads = "| metric | value | 95 % interval | floor | better |\n|---|---|---|---|---|"
    return "\n".join(
        [
            "## Measured",
            "",
            f"By `python -m atarigan.evaluate`, before the weights were packed. {facts}. The floor "
            "is what real samples score, the best value to expect.",
            "",
            heads,
            *rows,
        ]
    )
