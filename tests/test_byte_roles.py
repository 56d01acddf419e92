"""What bytes of RAM are for."""

from typing import NamedTuple

import numpy as np
import pytest

from atarigan.data.collection.agent_steps import AgentSteps
from atarigan.training.dream.byte_roles import ByteRoles, byte_roles

COUNTER, SHOWN, LEFT_OVER, LATE, CONSTANT, SOUND, SCORE = range(7)


class State(NamedTuple):
    lives: int
    paddle: int


class Machine:
    """Seven bytes: a counter, one that is on the screen, one that copies the counter, one that the
    counter takes when it is a multiple of 64, a constant, one that only counts by itself, and
    a score, of which the reward is the change since the last frame.
    """

    is_over = is_truncated = False
    state = State(0, -1)

    def __init__(self):
        self.ram = np.array([1, 5, 0, 9, 4, 0, 7], np.uint8)
        self.known_score = 7

    @property
    def screen(self):
        return self.ram[[SHOWN]].copy()

    def play_exactly(self, action):
        ram = self.ram.astype(int)
        ram[COUNTER] = ram[LATE] if ram[COUNTER] % 64 == 0 else ram[COUNTER] + 1
        ram[SHOWN] += action
        ram[LATE] += 3
        ram[LEFT_OVER] = ram[COUNTER]
        ram[SOUND] += 1
        self.ram = (ram % 256).astype(np.uint8)
        before, self.known_score = self.known_score, int(self.ram[SCORE])
        return float(self.known_score - before)

    def saved(self):
        return self.ram, self.known_score

    def restore(self, saved):
        self.ram, self.known_score = saved

    def write_ram(self, ram):
        self.ram = ram


class Env:
    action_meanings = ("NOOP", "UP")

    def __init__(self):
        self.frame_player = Machine()

    def reset(self, seed):
        pass


def test_what_nothing_reads_is_found_even_if_others_are_read_late():
    assert byte_roles(Env()).unread == (LEFT_OVER, SOUND)


def test_the_score_is_what_rewards_are_the_change_of():
    assert byte_roles(Env()).score == (SCORE,)


def test_what_decides_a_byte_that_is_read_is_read():
    """Byte 3 decides byte 4 in a rare frame, and byte 2 decides byte 3."""
    roles = ByteRoles(unread=(1, 2, 3, 6), score=(5,))
    found = np.zeros((128, 128), np.bool_)
    found[[1, 6, 2, 3], [6, 1, 3, 4]] = True
    assert roles.with_influences(found) == ByteRoles(unread=(1, 6), score=(5,))
    assert roles.with_influences(np.zeros_like(found)) == roles


@pytest.mark.slow
def test_the_ball_of_breakout_is_read_and_its_stack_is_not_and_the_score_has_two_bytes():
    env = AgentSteps("ALE/Breakout-v5", sticky=0.25)
    roles = byte_roles(env)
    assert {121, 122} <= set(roles.unread)  # of the stack, which grows down from 127
    assert not {99, 101, 103, 105} & set(roles.unread)  # the ball's place and speed
    assert roles.score == (76, 77)
    env.close()
