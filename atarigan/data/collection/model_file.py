"""Files of stable-baselines3 models: read their metadata, and load them to act."""

import ast
import importlib
import json
import platform
import re
import sys
import warnings
import zipfile
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Self

import gymnasium as gym
import numpy as np

from atarigan.errors import InputError, did_you_mean, one_line, shown

CONTRIB = ("ARS", "CrossQ", "MaskablePPO", "QRDQN", "RecurrentPPO", "TQC", "TRPO")
TRAINED_ON = "trained_on"  # attribute of a model, saved as JSON
_CLONED_BY = "atarigan.evaluation.policy.motion_profiles"
# Keys are modules of policy classes. PPO, A2C and TRPO share one, and differ by their attributes.
_ALGORITHM_OF_MODULE = {
    "stable_baselines3.dqn.policies": "DQN",
    "stable_baselines3.sac.policies": "SAC",
    "stable_baselines3.td3.policies": "TD3",
    "sb3_contrib.ars.policies": "ARS",
    "sb3_contrib.common.maskable.policies": "MaskablePPO",
    "sb3_contrib.common.recurrent.policies": "RecurrentPPO",
    "sb3_contrib.crossq.policies": "CrossQ",
    "sb3_contrib.qrdqn.policies": "QRDQN",
    "sb3_contrib.tqc.policies": "TQC",
}
# Attributes that only training needs are replaced instead of unpickled: buffers can be large, and
# schedules and classes may need another version of Python or a missing module.
_ONLY_FOR_TRAINING: dict[str, Any] = {
    "_episode_storage": None,
    "_last_episode_starts": None,
    "_last_lstm_states": None,
    "_last_obs": None,
    "_last_original_obs": None,
    "action_noise": None,
    "buffer_size": 1,
    "clip_range": 0.2,
    "clip_range_vf": None,
    "env": None,
    "ep_info_buffer": None,
    "ep_success_buffer": None,
    "exploration_schedule": None,
    "learning_rate": 0.0,
    "lr_schedule": None,
    "n_envs": 1,
    "n_steps": 1,
    "optimize_memory_usage": False,
    "replay_buffer": None,
    "replay_buffer_class": None,
    "replay_buffer_kwargs": {},
    "rollout_buffer": None,
    "rollout_buffer_class": None,
    "rollout_buffer_kwargs": {},
    "tensorboard_log": None,
    "train_freq": 1,
}
_NEEDED = ("policy_class", "policy_kwargs", "observation_space", "action_space")


@dataclass(frozen=True)
class ModelFile:
    """The metadata in the file of a model. Reading them unpickles nothing.

    Attributes:
        path: the file.
        data: attributes of the model as JSON; pickled ones are described in text.
        versions: versions of the packages that saved it, by name; empty for old files.
    """

    path: Path
    data: dict[str, Any]
    versions: dict[str, str] = field(default_factory=dict)

    @classmethod
    def read(cls, path: Path, algorithm: str = "stable-baselines3") -> Self:
        """Read a file.

        Args:
            path: the file.
            algorithm: what the file should be a model of, for messages.

        Raises:
            InputError: it is not a model, or damaged.
        """
        wrong = f"{path} is not a model of {algorithm}"
        try:
            with zipfile.ZipFile(path) as archive:
                names = archive.namelist()
                missing = [name for name in ("data", "policy.pth") if name not in names]
                if missing:
                    raise InputError(f"{wrong}: it has no {missing[0]!r}, but {shown(names)}")
                data = json.loads(archive.read("data"))
                has_info = "system_info.txt" in names
                info = archive.read("system_info.txt").decode() if has_info else ""
                damaged = archive.testzip()
        except (zipfile.BadZipFile, EOFError) as error:
            raise InputError(f"{wrong}: it is no zip file, or damaged: {one_line(error)}") from None
        except ValueError as error:
            if isinstance(error, InputError):
                raise
            raise InputError(f"{wrong}: its data are damaged: {one_line(error)}") from None
        if damaged is not None or not isinstance(data, dict):
            raise InputError(f"{wrong}: its {damaged or 'data'!r} is damaged")
        return cls(path, data, dict(re.findall(r"^- ([\w-]+): (\S+)", info, re.MULTILINE)))

    @property
    def algorithm(self) -> str | None:
        """Name of the algorithm, by the class of its policy and its settings; None if unknown."""
        described = self.data.get("policy_class")
        module = described.get("__module__") if isinstance(described, dict) else None
        if module == "stable_baselines3.common.policies":
            if "clip_range" in self.data:
                return "PPO"
            return "TRPO" if "cg_max_steps" in self.data else "A2C"
        return _ALGORITHM_OF_MODULE.get(str(module))

    @property
    def observation_space(self) -> gym.Space[Any] | None:
        """The observation space, if it is a readable Box of bytes or Discrete; else None."""
        return _described_space(self.data.get("observation_space"))

    @property
    def trained_on(self) -> dict[str, str]:
        """The model's attribute `trained_on`: "preprocessing" (a name in `PREPROCESSINGS`),
        "layout" (as in `ImageLayout.axes`), "env_id" and "frame_skip". May be empty. Policies that
        earlier releases of atarigan.clone made have the preprocessing "clone".
        """
        recorded = self.data.get(TRAINED_ON)
        items = recorded.items() if isinstance(recorded, dict) else ()
        known = {name: str(value) for name, value in items if value is not None}
        if _CLONED_BY in str(self.data.get("policy_kwargs")):
            known.setdefault("preprocessing", "clone")
        return known

    @property
    def frame_skip(self) -> int | None:
        """Emulator frames of an agent step in training; None if it is not recorded."""
        text = self.trained_on.get("frame_skip", "")
        return int(text) if re.fullmatch(r"[1-9]\d{0,3}", text) else None

    @property
    def version_note(self) -> str:
        """The end of a message: versions of Python and stable-baselines3 that differ from here."""
        import stable_baselines3

        here = {
            "Python": platform.python_version(),
            "Stable-Baselines3": stable_baselines3.__version__,
        }
        other = {
            name: f"{name} {self.versions[name]}, not {version}"
            for name, version in here.items()
            if self.versions.get(name, version) != version
        }
        return f"; it was saved by {' and '.join(other.values())}" if other else ""


def load_model(algorithm: str, path: Path) -> Any:
    """Load a stable-baselines3 model to the CPU, to act and not to train.

    The policy is loaded completely, and attributes that only training needs are left out. So memory
    does not depend on the settings of the training.

    The file must be trusted: the class of the policy, its arguments, and attributes that
    stable-baselines3 does not know are unpickled, which can run code. Modules are also searched for
    in the current folder.

    Args:
        algorithm: name of a class of stable-baselines3 or sb3-contrib.
        path: the file.

    Raises:
        InputError: an unknown algorithm, or a file that is not its model or cannot be loaded here.
    """
    loader = algorithm_class(algorithm)
    file = ModelFile.read(path, algorithm)
    if str(Path.cwd()) not in sys.path:
        sys.path.append(str(Path.cwd()))
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            model = loader.load(path, device="cpu", custom_objects=_replacements(file.data))
        except Exception as error:  # pickled objects may raise anything
            raise InputError(_reason(file, algorithm, _lost_attribute(caught) or error)) from error
    lost = _lost_attribute(caught)
    if lost is not None:
        raise InputError(_reason(file, algorithm, lost))
    return model


def check_algorithm(algorithm: str) -> None:
    """Check the name of an algorithm without importing stable-baselines3, which takes seconds.

    Raises:
        InputError: neither stable-baselines3 nor sb3-contrib has it, or sb3-contrib is not
            installed.
    """
    if algorithm in CONTRIB and find_spec("sb3_contrib") is None:
        raise InputError(
            f"algorithm {algorithm} is in the package sb3-contrib, which is not installed: "
            "pip install sb3-contrib"
        )
    known = [*_classes_named_by("stable_baselines3"), *_classes_named_by("sb3_contrib")]
    if algorithm not in known:
        hint = did_you_mean(algorithm, known)
        raise InputError(f"stable-baselines3 has no algorithm {algorithm!r}: {hint}")


def _classes_named_by(package: str) -> list[str]:
    """Return the classes in the `__all__` of a package, which is read and not run."""
    spec = find_spec(package)
    if spec is None or spec.origin is None:
        return []
    for node in ast.parse(Path(spec.origin).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__":
            names = ast.literal_eval(node.value)
            return [name for name in names if name[0].isupper() and "Buffer" not in name]
    return []


def algorithm_class(algorithm: str) -> Any:
    """Return a class of stable-baselines3 or, if it is installed, of sb3-contrib.

    Raises:
        InputError: there is none of that name.
    """
    check_algorithm(algorithm)
    package = "sb3_contrib" if algorithm in CONTRIB else "stable_baselines3"
    return getattr(importlib.import_module(package), algorithm)


def _replacements(data: dict[str, Any]) -> dict[str, Any]:
    """Return the attributes to replace instead of unpickling: those of training, and the spaces.

    Pickles of spaces depend on the version of NumPy by their random generators, and those of old
    files need the package gym.
    """
    spaces = {
        name: space
        for name in ("observation_space", "action_space")
        if (space := _described_space(data.get(name))) is not None
    }
    return _ONLY_FOR_TRAINING | spaces


def _described_space(described: Any) -> gym.Space[Any] | None:
    """Return the space of a description, if it is a Box of all bytes or Discrete; else None."""
    if not isinstance(described, dict):
        return None
    kind = str(described.get(":type:"))
    if "Discrete'" in kind and "Multi" not in kind and str(described.get("n")).isdecimal():
        return gym.spaces.Discrete(int(described["n"]), start=int(described.get("start") or 0))
    ends = [set(re.findall(r"-?\d+", str(described.get(name)))) for name in ("low", "high")]
    if (
        kind.endswith("box.Box'>")
        and described.get("dtype") == "uint8"
        and ends == [{"0"}, {"255"}]
    ):
        shape = [int(side) for side in re.findall(r"\d+", str(described.get("_shape")))]
        return gym.spaces.Box(0, 255, tuple(shape), np.uint8) if shape else None
    return None


def _lost_attribute(caught: list[warnings.WarningMessage]) -> str | None:
    """Return why an attribute that the policy needs was not restored; None if all were."""
    for warning in caught:
        found = re.match(
            r"Could not deserialize object (\w+)\..*Exception: ", text := str(warning.message), re.S
        )
        if found and found[1] in _NEEDED:
            return f"its {found[1]} cannot be restored: {text[found.end() :]}"
    return None


def _reason(file: ModelFile, algorithm: str, error: Exception | str) -> str:
    """Say in one line why a file cannot be loaded."""
    path, found = file.path, file.algorithm
    if found not in (None, algorithm):
        return f"{path} is not a model of {algorithm}, but of {found}: write sb3:{found}:{path}"
    if isinstance(error, ModuleNotFoundError):
        name = str(error.name)
        hint = (
            "pip install sb3-contrib"
            if name.startswith("sb3_contrib")
            else "install it, or run the command in the folder that holds it"
        )
        return f"{path} needs the module {name}, which is not found: {hint}{file.version_note}"
    if isinstance(error, MemoryError):
        return f"{path} needs more memory than there is: {one_line(error)}"
    reason = f"{one_line(error)}{file.version_note}"
    return f"{path} is not a model of {algorithm} that can be loaded: {reason}"
