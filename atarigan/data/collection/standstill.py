"""Games that stand still: press FIRE again where it had no effect, and end hopeless episodes."""

from atarigan.data.collection.screen import Screen

MAX_STILL_FRAMES = 8_000
_LOOK_EVERY = 4  # agent steps: hashing every screen would slow collection down
_STILL_STEPS = 150  # games that go on without FIRE show no new screen for up to about 130
_NUM_PRESSES = 4  # sticky actions may swallow one


class FireAtNewLife:
    """Presses FIRE at the first step of each life, as stable-baselines3's AtariWrapper does.

    Sticky actions may swallow the press, and the game then waits for another one. So FIRE is also
    pressed, up to four times in a row, after every 150 agent steps without a screen that is new in
    this life.

    Args:
        action_meanings: name of each action. Without FIRE, `action` always returns None.
    """

    def __init__(self, action_meanings: tuple[str, ...]) -> None:
        self._fire = action_meanings.index("FIRE") if "FIRE" in action_meanings else None
        self.begin_episode()

    def begin_episode(self) -> None:
        self._lives = -1
        self._seen: set[int] = set()
        self._num_still = 0

    def action(self, screen: Screen) -> int | None:
        """Return FIRE if it has to be pressed now, else None. Call it once for each agent step."""
        if self._fire is None:
            return None
        lives, newest = screen.lives(), screen.fingerprint()
        is_new_life = lives != self._lives
        if is_new_life:
            self._lives = lives
            self._seen.clear()
        self._num_still = self._num_still + 1 if newest in self._seen else 0
        self._seen.add(newest)
        must_press = is_new_life or self._num_still % _STILL_STEPS >= _STILL_STEPS - _NUM_PRESSES
        return self._fire if must_press else None


class StandstillLimit:
    """Ends episodes that have no reward, no lost life and no new screen for long.

    Args:
        max_frames: frames without anything new, at least 0; 0 means no limit.
        frame_skip: frames of an agent step.
    """

    def __init__(self, max_frames: int, frame_skip: int) -> None:
        self._max_frames = max_frames
        self._frame_skip = frame_skip
        self.begin_episode()

    def begin_episode(self) -> None:
        self._lives = -1
        self._forget()

    def is_reached(self, screen: Screen, reward: float) -> bool:
        """Return whether the episode has to end. Call it after each agent step."""
        if self._max_frames == 0:
            return False
        lives = screen.lives()
        if reward != 0 or lives != self._lives:
            self._lives = lives
            self._forget()
        self._num_steps += 1
        if self._num_steps % _LOOK_EVERY:
            return False
        newest = screen.fingerprint()
        if newest not in self._seen:
            self._seen.add(newest)
            self._last_new = self._num_steps
        return (self._num_steps - self._last_new) * self._frame_skip >= self._max_frames

    def _forget(self) -> None:
        self._seen: set[int] = set()
        self._num_steps = 0
        self._last_new = 0
