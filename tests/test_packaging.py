"""What is built and shipped, and that it works where the checkout is not."""

import email
import os
import re
import shutil
import subprocess
import sys
import sysconfig
import tarfile
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).parents[1]
NOT_SHIPPED = (".git", ".venv", "*.egg-info", "__pycache__", ".*_cache", ".hypothesis")
LEFT_BY_RUNS = {"build", "data", "demo", "dist", "models", "runs"}  # at the root


def run(*command: str | Path, cwd: Path, timeout: float = 120) -> str:
    """What a command prints; it must succeed."""
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    result = subprocess.run(
        [os.fspath(word) for word in command],
        cwd=cwd,
        env=environment,
        capture_output=True,
        text=True,
        timeout=timeout,
    )
    assert result.returncode == 0, f"{result.stdout[-2000:]}\n{result.stderr[-4000:]}"
    return result.stdout


@pytest.fixture(scope="module")
def dist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Folder of an sdist, and of the wheel that was built from it."""
    folder = tmp_path_factory.mktemp("packaging")
    checkout, dist = folder / "checkout", folder / "dist"
    always = shutil.ignore_patterns(*NOT_SHIPPED)

    def ignored(place: str, names: list[str]) -> set[str]:
        return always(place, names) | (LEFT_BY_RUNS if Path(place) == ROOT else set())

    shutil.copytree(ROOT, checkout, ignore=ignored, symlinks=True)
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", dist, cwd=checkout)
    return dist


@pytest.fixture(scope="module")
def wheel(dist: Path) -> Path:
    [wheel] = dist.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def names_in_wheel(wheel: Path) -> set[str]:
    with zipfile.ZipFile(wheel) as archive:
        return set(archive.namelist())


def test_wheel_holds_every_module_and_envs_inside_atarigan(names_in_wheel: set[str]) -> None:
    package = {path.relative_to(ROOT) for path in (ROOT / "atarigan").rglob("*.py")}
    envs = {"atarigan" / path.relative_to(ROOT) for path in (ROOT / "envs").rglob("*.py")}
    expected = {path.as_posix() for path in package | envs}
    assert {name for name in names_in_wheel if name.endswith(".py")} == expected
    assert "atarigan/envs/__init__.py" in expected


def test_wheel_installs_atarigan_only(names_in_wheel: set[str]) -> None:
    tops = {name.partition("/")[0] for name in names_in_wheel}
    assert tops == {"atarigan", "atarigan-0.1.0.dist-info"}


def test_wheel_holds_data_files(names_in_wheel: set[str]) -> None:
    data = {
        path.relative_to(ROOT).as_posix()
        for pattern in ("*.npy", "*.toml", "*.safetensors", "py.typed")
        for path in (ROOT / "atarigan").rglob(pattern)
    }
    assert {"atarigan/py.typed", "atarigan/images/ale_palettes.npy"} < data
    assert data < names_in_wheel
    assert "atarigan-0.1.0.dist-info/licenses/LICENSE" in names_in_wheel


def test_metadata_of_the_wheel(wheel: Path) -> None:
    import atarigan

    with zipfile.ZipFile(wheel) as archive:
        content = archive.read("atarigan-0.1.0.dist-info/METADATA").decode()
        entry_points = archive.read("atarigan-0.1.0.dist-info/entry_points.txt").decode()
    metadata = email.message_from_string(content)
    assert metadata["Version"] == atarigan.__version__
    assert metadata["License-Expression"] == "MIT"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "atarigan = atarigan.__main__:main" in entry_points


@pytest.fixture(scope="module")
def description(wheel: Path) -> str:
    """What PyPI shows, as Markdown."""
    with zipfile.ZipFile(wheel) as archive:
        content = archive.read("atarigan-0.1.0.dist-info/METADATA").decode()
    metadata = email.message_from_string(content)
    assert metadata["Description-Content-Type"] == "text/markdown"
    return str(metadata.get_payload())


def test_readme_renders_on_pypi_with_links_that_work_there(description: str) -> None:
    markdown = pytest.importorskip("readme_renderer.markdown")
    page = markdown.render(description)
    assert page is not None
    [picture] = re.findall(r'<img[^>]* src="([^"]*)"', page)
    assert picture.endswith("/raw/main/atarigan/models/shipped/breakout/frames.png")
    links = re.findall(r'<a[^>]* href="([^#"][^"]*)"', page)
    assert len(links) > 20
    assert all(link.startswith("https://") for link in [*links, picture])
    repository = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["urls"]
    for link in [*links, picture]:
        path = re.sub(r"^/(raw|blob)/main/|#.*", "", link.removeprefix(repository["Repository"]))
        assert (ROOT / path).is_file(), link


def test_twine_accepts_what_is_built(dist: Path) -> None:
    pytest.importorskip("twine")
    said = run(sys.executable, "-m", "twine", "check", "--strict", *dist.iterdir(), cwd=dist)
    assert said.count("PASSED") == 2


def test_citation_is_of_this_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert citation["version"] == project["version"]
    assert citation["license"] == project["license"]
    assert citation["repository-code"] == project["urls"]["Repository"]
    assert {"title", "authors", "message", "cff-version"} < set(citation)


def test_sdist_can_be_tested_and_built_again(dist: Path) -> None:
    [sdist] = dist.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}
    tests = {f"tests/{path.name}" for path in (ROOT / "tests").glob("*.py")}
    others = {"pyproject.toml", "constraints.txt", "Makefile", "LICENSE", "README.md"}
    assert tests | others | {"envs/__init__.py", "CHANGELOG.md"} <= names
    assert not {name for name in names if name.endswith((".pyc", ".venv"))}


def test_every_requirement_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    constraints = (ROOT / "constraints.txt").read_text().split()
    pinned = {line.partition("==")[0].lower().replace("_", "-") for line in constraints}
    required = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    names = {requirement.partition(">")[0].partition("[")[0] for requirement in required}
    assert names <= pinned
    assert all("==" in line for line in constraints)


def collect_somewhere_else(environment: Path, folder: Path) -> None:
    """The commands and the package of an environment, run where the checkout is not."""
    folder.mkdir()
    python = environment / "bin" / "python"
    assert "usage: " in run(python, "-m", "atarigan.collect", "--help", cwd=folder)
    run(python, "-m", "atarigan.collect", "--num-steps", "50", "--out", "buffer", cwd=folder)
    look = (
        "import atarigan.envs; print(atarigan.__file__, atarigan.envs.__file__);"
        "from atarigan import FrameBuffer; print(len(FrameBuffer.open('buffer')))"
    )
    *files, length = run(python, "-c", look, cwd=folder).split()
    assert len(files) == 2
    assert all(Path(file).is_relative_to(environment) for file in files)
    assert length == "50"
    assert "collect" in run(environment / "bin" / "atarigan", "--help", cwd=folder)


def test_installed_wheel_works_away_from_the_checkout(wheel: Path, tmp_path: Path) -> None:
    """The dependencies are borrowed from the environment that runs the tests."""
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True)
    python = environment / "bin" / "python"
    pip = (sys.executable, "-m", "pip", "--python", python, "--quiet")
    run(*pip, "install", "--no-deps", "--no-index", wheel, cwd=tmp_path)
    borrowed = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
    [site_packages] = environment.glob("lib/python*/site-packages")
    (site_packages / "borrowed.pth").write_text("\n".join(borrowed))
    collect_somewhere_else(environment, tmp_path / "elsewhere")


@pytest.mark.slow
def test_wheel_installs_with_its_own_dependencies(wheel: Path, tmp_path: Path) -> None:
    environment = tmp_path / "environment"
    venv.create(environment, symlinks=True, with_pip=True)
    python, constraints = environment / "bin" / "python", ROOT / "constraints.txt"
    pip = (python, "-m", "pip", "install", "--quiet", "--constraint", constraints)
    run(*pip, wheel, cwd=tmp_path, timeout=1200)
    collect_somewhere_else(environment, tmp_path / "elsewhere")
    [quick_start] = re.findall(
        r"^```python\n(.*?)^```$", (ROOT / "README.md").read_text(), re.M | re.S
    )
    said = run(python, "-W", "error", "-c", quick_start, cwd=tmp_path / "elsewhere")
    assert said.endswith("(210, 160, 3) uint8\n")
