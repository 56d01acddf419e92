"""Hard example mining: of further transitions, keep those that a model predicts wrongly."""

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.models.dynamics.transitions import FrameTransitions
from atarigan.models.dynamics.tree_dynamics import TreeDynamics

_BATCH = 65_536


def wrong_transitions(
    dynamics: TreeDynamics, transitions: FrameTransitions
) -> npt.NDArray[np.bool_]:
    """Return which transitions a model predicts wrongly in any byte, the reward, the end or lives,
    bool (N,).

    Raises:
        InputError: the model is of other sizes, or numba is not installed.
    """
    is_wrong = np.empty(len(transitions), bool)
    for begin in range(0, len(transitions), _BATCH):
        true = transitions[begin : begin + _BATCH]
        predicted = dynamics.step(true.states, true.inputs)
        is_wrong[begin : begin + _BATCH] = (
            (predicted.states != true.next_states).any(1)
            | (predicted.rewards != true.rewards)
            | (predicted.ends != true.ends)
            | (predicted.lives != true.lives)
        )
    return is_wrong


def keep_hard(
    transitions: FrameTransitions, is_wrong: npt.NDArray[np.bool_], share: float, seed: int = 0
) -> FrameTransitions:
    """Keep the wrongly predicted transitions, bool (N,), and a random share of the others, in their
    order.

    Args:
        transitions: N transitions.
        is_wrong: which of them are kept in any case.
        share: share of the others, from 0, for none, to 1.
        seed: of the choice.

    Raises:
        InputError: the share is not from 0 to 1, or there is not one flag for each transition.
    """
    if not 0 <= share <= 1:
        raise InputError(f"share must be from 0 to 1, not {share}")
    if is_wrong.shape != (len(transitions),) or is_wrong.dtype != bool:
        raise InputError(
            f"is_wrong must be bool of the shape ({len(transitions)},), "
            f"not {is_wrong.dtype} of the shape {is_wrong.shape}"
        )
    is_drawn = np.random.default_rng(seed).random(len(transitions)) < share
    return transitions[is_wrong | is_drawn]
