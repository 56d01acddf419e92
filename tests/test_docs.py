"""What README and the pages of docs/ show is true: blocks run, links work, names exist."""

import contextlib
import doctest
import importlib
import io
import itertools
import os
import pkgutil
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import NamedTuple

import cv2
import numpy as np
import pytest

import atarigan
import atarigan.envs
from atarigan.__main__ import COMMANDS
from atarigan.config.ray_cluster import connected
from atarigan.models import model_source, shipped
from examples import play_page
from tests.hub_server import running_hub
from tests.ray_nodes import running_cluster

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
PAGES = [
    ROOT / "README.md",
    *(page for page in sorted(DOCS.rglob("*.md")) if "_build" not in page.parts),
]
FENCE = re.compile(
    r"^```(?:\{code-block\} )?(sh|python|text)\n(?::caption: (\S+)\n\n?)?(.*?)^```$", re.M | re.S
)
# Pages are run with these numbers in the place of their own.
SHORTER = [
    (r"--num-steps \d+", "--num-steps 512"),
    (
        r"(--recipe dream (?!--data data/cartpole).*--max-minutes) \d+",
        r"\1 0.01 --round-frames 2000",
    ),
    (r"(--recipe dream --data data/cartpole .*--max-minutes) \d+", r"\1 0.01"),
    (r"--max-minutes [1-9]\d*", "--max-images 128"),
    (r"--batch-size 512", "--batch-size 16"),
    (r"--num-envs (8|64)\b", "--num-envs 2"),
    (r"--num \d+", "--num 48"),
    (r"--episodes 2\b", "--episodes 2 --max-frames 80"),
    (r"total_timesteps=[\d_]+", "total_timesteps=64"),
    (r"n_steps=128, batch_size=256, n_epochs=4", "n_steps=16, batch_size=64, n_epochs=1"),
    (r"num_iterations = 8, 128, 20", "num_iterations = 2, 16, 1"),
    (r"^60000 ", "512 "),
    (r"(atarigan\.play .*(?:--env-id|--window).*)", r"\1 --max-steps 2"),
    (r"--seconds \d+", "--seconds 2"),
]
ALWAYS = {  # flags that the pages leave to their defaults
    "train": "--device cpu --log none --evaluate-every-s 0",
    "evaluate": "--num 48",
    "examples.ppo_mix": "--num-episodes 1",
}
ALWAYS_OF_DREAMS = {"evaluate": "--num-policies 2 --episodes 2 --max-frames 80"}
LEFT_TO_OTHER_TESTS = ("benchmarks", "tests")  # measured in minutes; their flags are looked at
TAKES_LONG = re.compile(r"python -m (atarigan|examples)|torchrun|\.learn\(|/breakout")


OPTIONAL = {
    "minari": "minari",
    "torchrl": "torchrl",
    "ray": "ray",
}  # module of each extra that pages import


class Block(NamedTuple):
    language: str
    file: str
    text: str


def blocks_of(page: Path) -> list[Block]:
    return [Block(*found) for found in FENCE.findall(page.read_text())]


def commands_of(text: str) -> Iterator[list[str]]:
    """The words of each command in a block of sh."""
    for line in text.replace("\\\n", " ").splitlines():
        words = shlex.split(line, comments=True)
        if words:
            yield words


def name_of(page: Path) -> str:
    return str(page.relative_to(ROOT))


def has_blocks(page: Path) -> bool:
    return any(block.language != "text" for block in blocks_of(page))


def param(page: Path) -> object:
    marks = [pytest.mark.slow] if TAKES_LONG.search(page.read_text()) else []
    return pytest.param(page, id=name_of(page), marks=marks)


@pytest.fixture(scope="module")
def breakout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The buffer and the run that most how-to pages begin with."""
    folder = tmp_path_factory.mktemp("breakout")
    with contextlib.chdir(folder):
        run(
            shlex.split(
                "python -m atarigan.collect --num-steps 400 --num-envs 1 --out data/breakout"
            )
        )
        run(
            shlex.split(
                "python -m atarigan.train --data data/breakout --out runs/breakout --max-images 64"
            )
        )
    return folder


@pytest.fixture
def hub(tmp_path: Path) -> Iterator[None]:
    """A Hub on loopback in the place of the real one."""
    pytest.importorskip("huggingface_hub")
    with running_hub(tmp_path / "huggingface"):
        yield


@pytest.fixture
def cluster() -> Iterator[None]:
    """A Ray cluster to which this process is connected, so that `--ray auto` names it."""
    pytest.importorskip("ray.train", exc_type=ImportError)
    with running_cluster(2) as nodes, connected(nodes.address):
        yield


def run(words: list[str]) -> None:
    """One command of a page, in this process where it is one of ours."""
    if words[:2] == ["python", "-m"]:
        module, flags = words[2], words[3:]
        if module.split(".")[0] in LEFT_TO_OTHER_TESTS or lacks_chromium(module):
            return
        always = ALWAYS_OF_DREAMS if is_of_dream(flags) else ALWAYS
        always = {} if "--policy" in flags else always
        for flag in pairs(shlex.split(always.get(module.removeprefix("atarigan."), ""))):
            flags += flag if flag[0] not in flags else []
        assert importlib.import_module(module).main(flags) in (0, None), words
    elif words[0] == "torchrun":
        command = [str(Path(sys.executable).with_name(words[0])), *words[1:]]
        subprocess.run([*command, *shlex.split(ALWAYS["train"])], check=True, timeout=300)
    else:
        assert words[0] in ("make", "pip", "hf", "ray"), words  # test_every_target_and_extra_exists


def lacks_chromium(module: str) -> bool:
    return module == "examples.play_page" and play_page.find_chromium() is None


def is_of_dream(flags: list[str]) -> bool:
    """Whether a command trains a dream, or takes one as its run."""
    values = dict(pairwise(flags))
    return values.get("--recipe") == "dream" or model_source.is_dream(
        values.get("--run", "nothing")
    )


def pairs(words: list[str]) -> Iterator[list[str]]:
    return (words[place : place + 2] for place in range(0, len(words), 2))


@pytest.mark.filterwarnings("error:the generator learned")  # examples use what fits together
@pytest.mark.filterwarnings("default")  # of other packages, as a reader sees them
@pytest.mark.parametrize("page", [param(page) for page in PAGES if has_blocks(page)])
def test_page_runs_from_top_to_bottom(
    page: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> None:
    text = page.read_text()
    for extra, module in OPTIONAL.items():
        if f"pip install 'atarigan[{extra}]'" in text:
            pytest.importorskip(module)
    monkeypatch.setenv("MINARI_DATASETS_PATH", str(tmp_path / "minari"))
    for part in ("data/breakout", "runs/breakout"):
        if (
            part in text
            and f"--num-steps 480000 --out {part}" not in text
            and part not in made_by(text)
        ):
            source = request.getfixturevalue("breakout") / part
            (tmp_path / part).parent.mkdir(exist_ok=True)
            subprocess.run(["cp", "-r", str(source), str(tmp_path / part)], check=True)
    if "my/pictures" in text:
        make_pictures(tmp_path / "my" / "pictures")
    if "--ray" in text:
        request.getfixturevalue("cluster")
    if "--push" in text:
        request.getfixturevalue("hub")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("SDL_VIDEODRIVER", "dummy")
    monkeypatch.setattr("webbrowser.open", lambda url: True)
    variables: dict[str, object] = {"__name__": "__main__"}
    printed = ""
    for block in blocks_of(page):
        code = shortened(block.text)
        if block.file:
            Path(block.file).write_text(code)
        elif block.language == "sh":
            for words in commands_of(code):
                run(words)
            printed = ""
        elif block.language == "python":
            output = io.StringIO()
            with contextlib.redirect_stdout(output):
                exec(compile(code, name_of(page), "exec"), variables)
            printed = output.getvalue()
        elif printed:
            assert printed == code
            printed = ""


def made_by(text: str) -> list[str]:
    """Runs that a page trains itself."""
    return re.findall(r"atarigan\.train (?!--resume).*--out (\S+)", text)


def shortened(text: str) -> str:
    for pattern, replacement in SHORTER:
        text = re.sub(pattern, replacement, text, flags=re.M)
    return text


def make_pictures(folder: Path) -> None:
    folder.mkdir(parents=True)
    rng = np.random.default_rng(0)
    for number in range(32):
        cv2.imwrite(
            str(folder / f"{number}.png"), rng.integers(256, size=(70, 80, 3), dtype=np.uint8)
        )


def test_readme_plays_a_shipped_generator(capsys: pytest.CaptureFixture[str]) -> None:
    [code] = [block.text for block in blocks_of(ROOT / "README.md") if block.language == "python"]
    assert len([line for line in code.splitlines() if line]) <= 10
    exec(code, {})
    assert capsys.readouterr().out == "(210, 160, 3) uint8\n"


def test_every_shipped_game_is_listed_with_its_dream() -> None:
    lines = (ROOT / "docs" / "reference" / "games.md").read_text().splitlines()
    rows = [[cell.strip() for cell in line.split("|")] for line in lines if line.startswith("| `")]
    assert [row[1].strip("`") for row in rows] == shipped.names()
    assert [row[1].strip("`") for row in rows if row[6] == "yes"] == shipped.names_of_dreams()


def test_readme_is_short() -> None:
    assert len((ROOT / "README.md").read_text().splitlines()) <= 130


ALL_COMMANDS = sorted(
    {
        shlex.join(words)
        for page in [*PAGES, ROOT / "benchmarks" / "README.md"]
        for block in blocks_of(page)
        if block.language == "sh"
        for words in commands_of(block.text)
    }
)


@pytest.mark.parametrize("command", [each for each in ALL_COMMANDS if "-m" in each])
def test_every_flag_exists(command: str) -> None:
    words = shlex.split(command)
    module, flags = next(
        (word, words[place:])
        for place, word in enumerate(words)
        if re.match(r"atarigan|bench|ex|te", word)
    )
    main = importlib.import_module(f"{module}.__main__" if module == "benchmarks" else module).main
    sub_command = itertools.takewhile(lambda word: not word.startswith("-"), flags[1:])
    asked = [*sub_command, "--help"]
    output = io.StringIO()
    with contextlib.redirect_stdout(output), contextlib.suppress(SystemExit):
        main(asked)
    known = set(re.findall(r"--[a-z][\w-]*", output.getvalue()))
    assert {word for word in flags if word.startswith("--")} <= known


def test_every_target_and_extra_exists() -> None:
    targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.M)
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    for page in PAGES:
        text = page.read_text()
        for target in re.findall(r"(?:^|`)make ([\w-]+)", text, re.M):
            assert target in targets, f"{name_of(page)}: make {target}"
        for extra in re.findall(r"atarigan\[(\w+)\]", text):
            assert extra in extras, f"{name_of(page)}: {extra}"


def test_packages_that_build_the_site_are_pinned() -> None:
    extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"][
        "optional-dependencies"
    ]
    pinned = (ROOT / "constraints.txt").read_text().lower().replace("_", "-")
    for requirement in extras["docs"]:
        assert f"{requirement.partition('>')[0]}==" in pinned


LINKED = [*PAGES, *(ROOT / folder / "README.md" for folder in ("benchmarks", "tests"))]
LINK = re.compile(r"\]\(([^)\s]+)\)|\{image\} (\S+)|:link: (\S+)")


@pytest.mark.parametrize("page", LINKED, ids=map(name_of, LINKED))
def test_links_lead_somewhere(page: Path) -> None:
    for groups in LINK.findall(without_code(page.read_text())):
        link = next(filter(None, groups))
        if "://" in link:
            assert re.fullmatch(r"https://[\w.-]+\.\w+(/[^\s]*)?", link), link
            continue
        place, _, heading = link.partition("#")
        if place.startswith("/"):
            target = DOCS / place[1:]
        else:
            target = page.parent / place if place else page
        if page.parent == DOCS and page.name in ("SECURITY.md", "CHANGELOG.md"):
            target = ROOT / place
        found = target if target.exists() else target.with_suffix(".md")
        assert found.exists(), link
        if heading and found.suffix == ".md":
            assert heading in headings_of(found), link


def without_code(text: str) -> str:
    return re.sub(r"^```(?:sh|python|text)$.*?^```$", "", text, flags=re.M | re.S)


def headings_of(page: Path) -> set[str]:
    """Anchors of a page's headings, as GitHub and MyST make them."""
    titles = re.findall(r"^#+ (.*)$", without_code(page.read_text()), re.M)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def test_pictures_are_small() -> None:
    for picture in (DOCS / "_static").iterdir():
        assert picture.stat().st_size < 300_000, picture.name


def test_reference_is_complete() -> None:
    commands = (DOCS / "reference" / "commands.md").read_text()
    assert re.findall(r"\{command-reference\} (\w+)", commands) == list(COMMANDS)
    python = (DOCS / "reference" / "python.md").read_text()
    for package in (atarigan, atarigan.envs):
        for name in set(package.__all__) - {"__version__"}:
            assert f"{package.__name__}.{name}\n" in python


def test_troubleshooting_quotes_messages_of_the_code() -> None:
    sources = [*(ROOT / "atarigan").rglob("*.py"), *(ROOT / "envs").rglob("*.py")]
    code = "\n".join(path.read_text() for path in sources)
    code = re.sub(r"\"\s*\n\s*f?\"", "", code)  # messages that go over several lines
    code = code.replace("{KEY!r}", "'ram'")
    code += "Namespace ALE not found"  # of Gymnasium
    titles = re.findall(r"^\*\*(.*?)\*\*", (DOCS / "troubleshooting.md").read_text(), re.M | re.S)
    quoted = [
        words for title in titles for words in re.findall(r"`([^`]+)`", title.replace("\n", " "))
    ]
    assert len(quoted) > 15
    for words in quoted:
        for part in words.removeprefix("NamespaceNotFound: ").split("…"):
            for piece in re.split(
                r"--(?:policy|objective|penalty|network)|SHA256SUMS|'atarigan", part
            ):
                assert piece.strip(" :") in code, words


def modules_with_examples() -> list[str]:
    found = []
    for package in (atarigan, atarigan.envs):
        for module in pkgutil.walk_packages(package.__path__, f"{package.__name__}."):
            spec = importlib.util.find_spec(module.name)
            if spec and spec.origin and ">>> " in Path(spec.origin).read_text():
                found.append(module.name)
    return sorted(set(found))


@pytest.mark.parametrize("name", modules_with_examples())
def test_examples_in_docstrings_run(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    failed, tried = doctest.testmod(importlib.import_module(name), optionflags=flags)
    assert tried
    assert not failed


PUBLIC = [
    getattr(package, name)
    for package in (atarigan, atarigan.envs)
    for name in package.__all__
    if name not in ("InputError", "__version__")
]


@pytest.mark.parametrize("public", PUBLIC, ids=lambda public: public.__name__)
def test_every_public_class_has_an_example(public: type) -> None:
    assert re.search(r"^ *Example:\n\s*>>> ", public.__doc__ or "", re.M)


@pytest.mark.slow  # half a minute
def test_site_builds_without_a_warning(tmp_path: Path) -> None:
    pytest.importorskip("sphinx")  # an environment of oldest dependencies lacks it
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "-n",
        "-q",
        "-b",
        "html",
        str(DOCS),
        str(tmp_path),
    ]
    environment = {**os.environ, "PYTHONWARNINGS": "default"}
    result = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600)
    assert result.returncode == 0, result.stderr
    assert (tmp_path / "reference" / "commands.html").exists()
