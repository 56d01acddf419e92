"""How frames are preprocessed in the training of policies: pooling, gray levels, new lives."""

from dataclasses import dataclass

from atarigan.data.collection.screen import Screen
from atarigan.data.collection.standstill import FireAtNewLife
from atarigan.errors import InputError, did_you_mean
from atarigan.images import pixels
from atarigan.images.frame_stack import FrameStacks
from atarigan.images.layout import ImageLayout
from atarigan.images.pixels import Frames


@dataclass(frozen=True)
class Preprocessing:
    """How wrappers change an emulator's frames and actions in the training of a policy.

    Attributes:
        name: key in `PREPROCESSINGS`.
        pools: the policy sees the elementwise maximum of the last two frames of each agent step, if
            an agent step has more than one.
        grays_rgb: gray frames are computed from RGB ones by OpenCV, instead of read from the
            emulator, whose gray levels differ by up to 1.
        noop_max: an episode begins with 1 to `noop_max` steps of NOOP, each of one emulator frame
            if frames are pooled; 0 for none.
        starts_lives: each life is an episode of training. It begins with a stack of zeros and, in
            games with FIRE, with FIRE and the action after it; after a lost life, NOOP comes first.
        fires: FIRE is pressed for the policy where a game waits for it.
        frame_skip: emulator frames of an agent step in training.
    """

    name: str
    pools: bool
    grays_rgb: bool
    noop_max: int
    starts_lives: bool
    fires: bool
    frame_skip: int = 4

    def frame(self, screen: Screen, layout: ImageLayout) -> Frames:
        """Return the screen as a frame of a layout, uint8 (H, W, C)."""
        if layout.frame_format.name == "rgb":
            frame = screen.rgb()
        else:
            frame = pixels.rgb_to_gray(screen.rgb()) if self.grays_rgb else screen.gray()
        return pixels.resize(frame, layout.height, layout.width)

    def push(self, stacks: FrameStacks, index: int, frame: Frames, is_first: bool) -> None:
        """Push a frame in the layout's dtype. The first one follows zeros or fills its stack."""
        if is_first and self.starts_lives:
            stacks.clear(index)
        stacks.push(index, frame, is_first and not self.starts_lives)


PREPROCESSINGS = {
    each.name: each
    for each in (
        # stable-baselines3: AtariWrapper and VecFrameStack, as make_atari_env makes them
        Preprocessing("sb3", True, True, 30, starts_lives=True, fires=True),
        # the same with AtariWrapper(frame_skip=1), in an environment that skips frames itself
        Preprocessing("sb3-unpooled", False, True, 30, starts_lives=True, fires=True),
        # AtariPreprocessing and FrameStackObservation of Gymnasium
        Preprocessing("gymnasium", True, False, 30, starts_lives=False, fires=False),
        # atarigan.clone
        Preprocessing("clone", False, False, 0, starts_lives=False, fires=True),
    )
}


def preprocessing_named(name: str) -> Preprocessing:
    """Return a preprocessing by its name. Raises InputError if the name is unknown."""
    if name not in PREPROCESSINGS:
        hint = did_you_mean(name, PREPROCESSINGS)
        raise InputError(f"unknown preprocessing of a policy {name!r}: {hint}")
    return PREPROCESSINGS[name]


class LifeStarts:
    """Determines which actions the preprocessing takes in place of the policy.

    Args:
        preprocessing: of the policy's training.
        action_meanings: name of each action; empty if actions have no names, and then the policy
            takes all of them.

    Attributes:
        start: action that begins a life, for which the policy is not asked; None otherwise.
        fire: FIRE, if it is to be pressed instead of the policy's action; None otherwise.
        is_first: whether the policy's next observation begins a stack.
    """

    def __init__(self, preprocessing: Preprocessing, action_meanings: tuple[str, ...]) -> None:
        has_fire = "FIRE" in action_meanings and len(action_meanings) > 2
        self._starts = [action_meanings.index("FIRE"), 2] if has_fire else []
        self._starts_lives = preprocessing.starts_lives and action_meanings[:1] == ("NOOP",)
        self._fire = FireAtNewLife(action_meanings if preprocessing.fires else ())
        self.begin_episode()

    def begin_episode(self) -> None:
        self._fire.begin_episode()
        self._pending = list(self._starts) if self._starts_lives else []
        self._lives: int | None = None
        # Training presses FIRE once a life, so it is pressed again only after a standstill.
        self._ignores_fire = False
        self._is_stack_new = True
        self.start: int | None = None
        self.fire: int | None = None
        self.is_first = True

    def observe(self, screen: Screen) -> None:
        """Set the attributes for the next agent step. Call it once before each."""
        lives, before = screen.lives(), self._lives
        self._lives = lives
        fire = self._fire.action(screen)
        if self._starts_lives and before is not None and 0 < lives < before:
            self._pending = [0, *self._starts]
        self.start = self._pending.pop(0) if self._pending else None
        if self._starts_lives and (lives != before or self.start is not None):
            self._ignores_fire = True
        elif fire is None:
            self._ignores_fire = False
        self.fire = None if self._ignores_fire else fire
        self.is_first = self._is_stack_new and self.start is None
        self._is_stack_new = self.start is not None or (self._is_stack_new and not self.is_first)
