"""The flags of `python -m atarigan.evaluate`."""

from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path

from atarigan.config.run_config import MAX_INTEGER
from atarigan.errors import InputError
from atarigan.models import hub
from atarigan.models.model_source import is_dream

_OF_SAMPLES = ("source", "data", "num", "features")
_OF_POLICIES = (
    "env_id",
    "env_kwargs",
    "frame_skip",
    "policy_preprocessing",
    "policy_layout",
    "ray",
)
_OF_GAMES = ("episodes", "max_frames")
_OF_DREAMS = ("num_policies",)
_EPISODES, _EPISODES_OF_DREAMS = 30, 6
_MOST_FRAMES = 108_000  # emulator frames of ALE's longest episode


@dataclass(frozen=True)
class EvaluateArguments:
    """Score samples against real ones; write a table, metrics.json, and a page with pictures.

    With --policy, measure how much of its score a policy keeps when it sees generated frames. With
    --run of a dream, measure how exact it is on a collection that it has not learned, and how
    alike policies play in it and in the real game.
    """

    run: str | None = None
    """Folder of a run, a checkpoint or a dream, the name of a shipped model, or
    hf://USER/NAME[@REVISION], to evaluate.
    """
    samples: str | None = None
    """Samples to evaluate instead of a run, as .npz: frames uint8 (N, H, W, C), stacks of
    consecutive frames uint8 (N, K, H, W, C), or points (N, 2).
    """
    source: str | None = None
    """Source of real samples. Default: the source of the run."""
    data: str | None = None
    """Folder of the source; of a dream, a collection that it has not learned. Default: the folder
    of the run's source.
    """
    num: int = 10_000
    """Samples to evaluate, against as many real ones, at most half of all real samples."""
    features: str | None = None
    """Feature space for images: thumbnails-8x8, inception (an optional extra with weights to
    download), the name of a shipped extractor, or an extractor file. Default: the source's own.
    """
    seed: int = 0
    """Seed of the samples and of the choice of real ones, or of the episodes."""
    policy: str | None = None
    """A stable-baselines3 model to play with: FILE.zip of PPO, or sb3:ALGO:FILE.zip. Loading can
    run code: name only files that you trust. With --run it also sees frames of that generator.
    """
    env_id: str | None = None
    """Game that the policy plays."""
    env_kwargs: str = "{}"
    """Further arguments of the game, as JSON: '{"full_action_space": true}'."""
    frame_skip: int | None = None
    """Emulator frames of an agent step. Default: as recorded in the policy's file, else 4."""
    policy_preprocessing: str | None = None
    """What the policy was trained with: sb3 (make_atari_env, which pools the last two frames),
    sb3-unpooled (AtariWrapper(frame_skip=1)), gymnasium (AtariPreprocessing), or clone
    (atarigan.clone, unpooled). Default: as recorded in its file, else sb3.
    """
    policy_layout: str | None = None
    """Axes of the policy's observations, such as KHW for a stack of gray frames and KCHW for one of
    RGB frames: K for the stack, C for colors. Default: as recorded in its file, else by
    the shape.
    """
    episodes: int | None = None
    """Episodes that the policy plays with each view of the game (30 by default), or that each
    policy plays in the game of a dream and in the dream (6 by default).
    """
    max_frames: int = 20_000
    """Emulator frames after which such an episode is truncated."""
    num_policies: int = 10
    """Policies that play a dream and its game: random actions of different habits, and where
    there is a scripted player, that one with mistakes.
    """
    out: str | None = None
    """Folder for evaluation.html and metrics.json. Default: the folder of the run, or
    NAME-evaluation for a shipped model NAME, hf://USER/NAME, NAME.npz or NAME.zip.
    """
    ray: str | None = None
    """With --policy, spread the episodes over all nodes of a Ray cluster (an optional extra): auto,
    or HOST:PORT of its head. The results are those of one machine.
    """
    allow_other_game: bool = False
    """Evaluate a generator of one game against frames of another, or in another."""
    json: str | None = None
    """File for the scores instead of metrics.json in that folder."""

    def __post_init__(self) -> None:
        if self.policy is not None:
            self._check_policy()
        elif self.is_dream:
            self._check_dream()
        elif (self.run is None) == (self.samples is None):
            raise InputError("name either --run DIR or --samples FILE.npz")
        else:
            names = (*_OF_POLICIES, *_OF_GAMES)
            self._refuse(names, "needs --policy FILE.zip, which plays the game")
        if not self.is_dream:
            self._refuse(_OF_DREAMS, "needs --run DREAM, which the policies play")
        if self.samples is not None and self.source is None:
            raise InputError("--samples needs --source NAME, the real samples to compare with")
        if self.num < 4:
            raise InputError(f"--num must be at least 4, not {self.num}")
        if not 0 <= self.seed <= MAX_INTEGER:
            rule = "at least 0" if self.seed < 0 else f"at most {MAX_INTEGER}"
            raise InputError(f"--seed must be {rule}, not {self.seed}")

    def _refuse(self, names: Sequence[str], why: str) -> None:
        """Raise InputError if one of these flags has another value than its default."""
        for each in fields(self):
            if each.name in names and getattr(self, each.name) != each.default:
                raise InputError(f"--{each.name.replace('_', '-')} {why}")

    def _check_policy(self) -> None:
        self._refuse(_OF_SAMPLES, "is for samples, not for --policy")
        if self.samples is not None:
            raise InputError("--policy plays through a generator: name --run DIR, not --samples")
        if self.env_id is None:
            raise InputError("--policy needs --env-id ID, the game that it plays")
        if self.is_dream:
            raise InputError(f"--policy plays through a generator, and {self.run} is a dream")
        self._check_episodes()
        if self.frame_skip is not None and self.frame_skip < 1:
            raise InputError(f"--frame-skip must be at least 1, not {self.frame_skip}")
        if self.max_frames < 4:
            raise InputError(f"--max-frames must be at least 4, not {self.max_frames}")

    def _check_dream(self) -> None:
        self._refuse((*_OF_POLICIES, "allow_other_game"), "is not for dreams")
        self._refuse(("source", "num", "features"), "is for samples, not for dreams")
        if self.samples is not None:
            raise InputError("name either --run DIR or --samples FILE.npz")
        if self.data is None:
            raise InputError(
                "--data must name a collection that the dream has not learned: play one with "
                "atarigan.collect and another --seed"
            )
        self._check_episodes()
        if self.num_policies < 2:
            raise InputError(f"--num-policies must be at least 2, not {self.num_policies}")
        if self.max_frames > _MOST_FRAMES:
            raise InputError(f"--max-frames must be at most {_MOST_FRAMES}, not {self.max_frames}")

    def _check_episodes(self) -> None:
        if self.num_episodes < 2:
            raise InputError(f"--episodes must be at least 2, not {self.episodes}")

    @cached_property
    def is_dream(self) -> bool:
        """Whether a dream is evaluated."""
        return self.run is not None and is_dream(self.run)

    @property
    def num_episodes(self) -> int:
        """Episodes of each view, or of each policy."""
        if self.episodes is not None:
            return self.episodes
        return _EPISODES_OF_DREAMS if self.is_dream else _EPISODES

    @property
    def name(self) -> str:
        """What a page calls the run or the samples."""
        source = str(self.run or self.samples)
        return Path(source).resolve().name if Path(source).exists() else source

    @property
    def folder(self) -> Path:
        """Folder of the report."""
        if self.out is not None:
            return Path(self.out)
        if self.run is not None and Path(self.run).is_dir():
            return Path(self.run) / "policy" if self.policy else Path(self.run)
        # A folder named like a shipped model would take its place in the next command.
        source = str(self.run or self.samples or self.policy)
        if hub.is_name(source):
            return Path(f"{hub.parsed(source).repository.partition('/')[2]}-evaluation")
        if self.is_dream:
            return Path(f"{source.replace('/', '-')}-evaluation")
        evaluated = Path(source.rpartition(":")[2])
        return evaluated.with_name(f"{evaluated.stem}-evaluation")
