"""Check that the data of a run still exists."""

import json
import shlex
from pathlib import Path

from atarigan.data.provenance import Provenance
from atarigan.errors import InputError
from atarigan.models.model_config import ModelConfig


def refuse_missing_data(model: ModelConfig, run: str | Path) -> None:
    """Check that a run's data exists where its configuration says.

    Args:
        model: the run's configuration.
        run: the run's folder or name, for messages.

    Raises:
        InputError: it does not. The message says how to name another place. A packed generator
            has only a name of its data; then the message says how to collect such data.
    """
    data = model.run.data
    if data is None or Path(data).exists():
        return
    if Path(data).is_absolute() or len(Path(data).parts) > 1:
        raise InputError(
            f"{data}, the data of {run}, does not exist: name its place with --data DIR"
        )
    command = collecting_command(model.provenance)
    hint = f", such as a buffer that `{command}` fills" if command else ""
    raise InputError(f"{run} comes without its data: name some with --data DIR{hint}")


def collecting_command(provenance: Provenance) -> str:
    """Return a command that collects frames of this provenance; an empty text if unknown."""
    if provenance.env_id is None:
        return ""
    words = ["--env-id", provenance.env_id]
    if provenance.env_kwargs:
        words += ["--env-kwargs", json.dumps(provenance.env_kwargs)]
    if provenance.frame_skip:
        words += ["--frame-skip", str(provenance.frame_skip)]
    if provenance.num_pooled > 1:
        words += ["--num-pooled", str(provenance.num_pooled)]
    return shlex.join(["python", "-m", "atarigan.collect", *words, "--out", "DIR"])
