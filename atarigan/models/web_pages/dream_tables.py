"""The trees, controls and starts of a dream as the JavaScript of a page reads them."""

from typing import Any

import numpy as np

from atarigan.data.collection import paddles
from atarigan.data.joysticks import Joysticks
from atarigan.errors import InputError
from atarigan.models.dynamics.dream import Dream
from atarigan.models.dynamics.features import operands
from atarigan.models.dynamics.tree_dynamics import TreeDynamics
from atarigan.models.web_pages.generator_tables import Tables, WebModel

_TREE_TABLES = (
    "node_features",
    "thresholds",
    "skips",
    "addresses",
    "codings",
    "groups",
    "rewards",
)


def dream_model(dream: Dream, *, shows_action: bool = False) -> WebModel:
    """Return a dream of trees; its settings are in "dream".

    Args:
        dream: the learned game.
        shows_action: whether its frames are drawn of RAM and the action.

    Raises:
        InputError: its dynamics are not trees.
    """
    if not isinstance(dream.dynamics, TreeDynamics):
        raise InputError(f"a page plays trees, not {type(dream.dynamics).__name__}")
    trees = dream.dynamics.tables
    tables: Tables = {f"trees.{name}": getattr(trees, name) for name in _TREE_TABLES}
    tables |= {f"trees.grid_{name}": array for name, array in trees.grids.tables.items()}
    tables |= {
        "trees.array_indexes": trees.arrays.indexes,
        "trees.array_members": trees.arrays.members,
        "trees.array_last": trees.arrays.last_bytes,
        "trees.formulas": trees.formulas.as_rows(trees.layout),
        "trees.features": np.stack(operands(trees.features, trees.layout), axis=1),
        "trees.roots": (trees.sizes.cumsum() - trees.sizes).astype(np.int32),
        "starts.states": dream.starts.states,
        "starts.lives": dream.starts.lives,
    }
    if dream.seen_states is not None:
        tables["seen"] = np.packbits(dream.seen_states.is_seen, axis=1)
    settings = _settings(dream)
    if shows_action:
        names = (*dream.settings.action_meanings, "NOOP")
        settings["shownJoysticks"] = Joysticks(names).bytes.tolist()
    return WebModel({"dream": settings}, tables)


def _settings(dream: Dream) -> dict[str, Any]:
    settings, controls = dream.settings, dream.controls
    paddle = {
        "first": controls.first_resistance,
        "step": paddles.RESISTANCE_STEP,
        "least": paddles.LEAST_RESISTANCE,
        "most": paddles.MOST_RESISTANCE,
    }
    return {
        "actionMeanings": list(settings.action_meanings),
        "joysticks": controls.joysticks.tolist(),
        "directions": controls.directions.tolist(),
        "frameSkip": settings.frame_skip,
        "sticky": settings.sticky,
        "paddle": paddle if controls.has_paddle else None,
    }
