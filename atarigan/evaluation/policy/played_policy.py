"""A policy to evaluate: its model, and the game with the preprocessing of its training."""

import contextlib
import warnings
from dataclasses import dataclass, replace
from typing import Any, Self

from atarigan.data.collection.model_file import ModelFile, load_model
from atarigan.data.collection.model_policy import (
    checked_layout,
    named_model,
    trained_preprocessing,
    training_differences,
)
from atarigan.evaluation.policy.episodes import EpisodeConfig
from atarigan.images.layout import ImageLayout


@dataclass(frozen=True)
class PlayedPolicy:
    """A model, and the game that it plays.

    Attributes:
        model: a stable-baselines3 model.
        layout: layout of its observations.
        config: game and preprocessing.
        facts: settings of game and policy, for reports.
    """

    model: Any
    layout: ImageLayout
    config: EpisodeConfig
    facts: dict[str, Any]

    @classmethod
    def load(
        cls,
        name: str,
        env_id: str,
        max_frames: int,
        *,
        preprocessing: str | None = None,
        axes: str | None = None,
        frame_skip: int | None = None,
        env_kwargs: dict[str, Any] | None = None,
    ) -> Self:
        """Load a policy for a game.

        Args:
            name: "FILE.zip" of PPO, or "sb3:ALGO:FILE.zip".
            env_id: the game.
            max_frames: emulator frames after which an episode is truncated.
            preprocessing, axes: as in `ModelPolicy`.
            frame_skip: None means the one that the file records, or else the default of
                `AgentSteps`.
            env_kwargs: further arguments of `gymnasium.make`.

        Raises:
            InputError: policy or game are missing or damaged, or do not fit together.
        """
        algorithm, path = named_model(name)
        file = ModelFile.read(path, algorithm)
        skip = frame_skip or file.frame_skip
        config = EpisodeConfig(env_id, max_frames, frame_skip=skip, env_kwargs=env_kwargs or {})
        with contextlib.closing(config.make_env()) as env:
            trained = trained_preprocessing(file, env, preprocessing)
            model = load_model(algorithm, path)
            layout = checked_layout(model, file, env, axes)
            config = replace(config, preprocessing=trained, frame_skip=env.frame_skip)
            for difference in training_differences(file, env, env_id, trained, axes):
                warnings.warn(difference, stacklevel=2)
        facts = {
            "env_id": env_id,
            "env_kwargs": config.env_kwargs,
            "frame_skip": config.frame_skip,
            "preprocessing": trained.name,
            "layout": layout.axes,
        }
        return cls(model, layout, config, facts)
