"""ALE without anything around it: the bare limit of collection."""

import contextlib
import multiprocessing
import time
from multiprocessing.connection import Connection
from types import TracebackType
from typing import Self

import ale_py
import numpy as np

FRAME_SKIP = 4


class Emulator:
    """A bare `ALEInterface` in which Breakout is played at random."""

    def __init__(self, seed: int) -> None:
        ale_py.ALEInterface.setLoggerMode(ale_py.LoggerMode.Error)
        self.ale = ale_py.ALEInterface()
        self.ale.setInt("random_seed", seed)
        rom = ale_py.roms.get_rom_path("breakout")
        assert rom is not None  # it comes with ale-py
        self.ale.loadROM(rom)
        self._actions = self.ale.getMinimalActionSet()
        self._rng = np.random.default_rng(seed)

    def act(self) -> tuple[int, float, bool]:
        """An agent step. Returns the action's number, the reward and whether the game is over."""
        number = int(self._rng.integers(len(self._actions)))
        reward = float(sum(self.ale.act(self._actions[number]) for _ in range(FRAME_SKIP)))
        is_over = bool(self.ale.game_over())
        if is_over:
            self.ale.reset_game()
        return number, reward, is_over


class BareLoops:
    """Processes that act and read screen and RAM, and resize and store nothing."""

    def __init__(self, num_processes: int) -> None:
        context = multiprocessing.get_context("spawn")
        self._connections: list[Connection] = []
        for seed in range(num_processes):
            ours, theirs = context.Pipe()
            context.Process(target=_serve, args=(theirs, seed), daemon=True).start()
            theirs.close()
            self._connections.append(ours)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        for connection in self._connections:
            connection.close()

    def run(self, num_steps: int) -> float:
        """Agent steps in all processes together; returns the seconds that the slowest took."""
        for connection in self._connections:
            connection.send(num_steps // len(self._connections))
        times_s: list[float] = [connection.recv() for connection in self._connections]
        return max(times_s)


def _serve(connection: Connection, seed: int) -> None:
    emulator = Emulator(seed)
    with contextlib.suppress(EOFError, KeyboardInterrupt):
        while True:
            num_steps = connection.recv()
            began = time.perf_counter()
            for _ in range(num_steps):
                emulator.act()
                emulator.ale.getScreen()
                emulator.ale.getRAM()
            connection.send(time.perf_counter() - began)
