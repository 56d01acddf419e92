"""What imports what: the direction of the data, no torch where none is needed, envs by its name."""

import graphlib
import importlib
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
COMMANDS = sorted(
    path.stem for path in (ROOT / "atarigan").glob("*.py") if "__main__" in path.read_text()
)
COMPILED = "tree_growth.py"  # needs an extra, and is imported where a tree is grown
LIGHT = ("config", "files", "images", "data/buffer", "data/collection", "models/dynamics")
HEAVY = (
    "huggingface_hub",
    "matplotlib",
    "numba",
    "ray",
    "stable_baselines3",
    "tensorboard",
    "torch",
)

SAY_WHAT_IS_HEAVY = f"""
import sys
print(*(name for name in {HEAVY} if name in sys.modules), file=sys.stderr)
"""


def run_python(code: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", code, *arguments],
        cwd=cwd,
        capture_output=True,
        text=True,
        timeout=120,
    )


@pytest.fixture(scope="module")
def import_contracts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as it is installed, envs/ inside atarigan/: import-linter reads folders."""
    folder = tmp_path_factory.mktemp("installed")
    shutil.copytree(ROOT / "atarigan", folder / "atarigan")
    shutil.copytree(ROOT / "envs", folder / "atarigan" / "envs")
    shutil.copy(ROOT / "pyproject.toml", folder)
    return folder


def lint_imports(folder: Path) -> subprocess.CompletedProcess[str]:
    code = "import sys; from importlinter.cli import lint_imports_command; lint_imports_command()"
    return run_python(code, "--no-cache", cwd=folder)


def test_import_contracts_are_kept(import_contracts: Path) -> None:
    result = lint_imports(import_contracts)
    assert result.returncode == 0, result.stdout


@pytest.mark.parametrize(
    ("module", "wrong_import"),
    [
        ("data/buffer/ring.py", "from atarigan.training import trainer"),
        ("training/trainer.py", "from atarigan.envs import frame_capture"),
        ("pictures/grids.py", "from atarigan import collect"),
        ("models/state/state_prior.py", "from atarigan.models.families import network"),
        ("models/search/positions.py", "from atarigan.models.state import byte_groups"),
        ("pack.py", "from atarigan import evaluate"),
    ],
)
def test_import_against_the_direction_breaks_them(
    import_contracts: Path, module: str, wrong_import: str
) -> None:
    path = import_contracts / "atarigan" / module
    code = path.read_text()
    path.write_text(f"{code}\n{wrong_import}\n")
    result = lint_imports(import_contracts)
    path.write_text(code)
    assert result.returncode == 1
    assert "BROKEN" in result.stdout


def imports_of(folder: Path) -> dict[str, list[str]]:
    """The modules that each module of the package imports, at its top or in its functions."""
    code = """
import grimp, json
graph = grimp.build_graph("atarigan", exclude_type_checking_imports=True, cache_dir=None)
imports = {name: list(graph.find_modules_directly_imported_by(name)) for name in graph.modules}
print(json.dumps(imports))
"""
    result = run_python(code, cwd=folder)
    assert result.returncode == 0, result.stderr
    found: dict[str, list[str]] = json.loads(result.stdout)
    return found


def test_no_modules_import_each_other_in_a_circle(import_contracts: Path) -> None:
    imports = imports_of(import_contracts)
    assert "atarigan.errors" in imports["atarigan.data.buffer.ring"]
    graphlib.TopologicalSorter(imports).prepare()  # raises CycleError, which names the modules


def test_a_circle_in_a_function_is_found(import_contracts: Path) -> None:
    path = import_contracts / "atarigan" / "errors.py"
    code = path.read_text()
    path.write_text(f"{code}\n\ndef late():\n    from atarigan.data.buffer import ring\n")
    imports = imports_of(import_contracts)
    path.write_text(code)
    with pytest.raises(graphlib.CycleError, match="atarigan.errors"):
        graphlib.TopologicalSorter(imports).prepare()


def test_at_most_three_modules_at_the_root_are_no_command() -> None:
    at_root = {path.stem for path in (ROOT / "atarigan").glob("*.py")}
    assert len(at_root - set(COMMANDS)) <= 3


def test_nothing_heavy_is_imported_before_it_is_used(tmp_path: Path) -> None:
    """Collection, its worker processes and the wrappers start without torch."""
    package = ROOT / "atarigan"
    files = [path for name in LIGHT for path in (package / name).rglob("*.py")]
    files = [path for path in files if path.name != COMPILED]
    modules = (path.relative_to(ROOT).with_suffix("") for path in files)
    imports = "".join(f"import {'.'.join(module.parts)}\n" for module in modules)
    light = "import atarigan, atarigan.envs\n"
    result = run_python(light + imports + SAY_WHAT_IS_HEAVY, cwd=tmp_path)
    assert (result.returncode, result.stderr.strip()) == (0, "")


def test_help_imports_nothing_heavy(tmp_path: Path) -> None:
    """The help of every command in turn, in one process."""
    code = f"""
import runpy, sys
for command in {COMMANDS}:
    print("help of", command)
    sys.argv = [command, "--help"]
    try:
        runpy.run_module("atarigan." + command, run_name="__main__")
    except SystemExit as end:
        assert not end.code, command
    assert not [name for name in {HEAVY} if name in sys.modules], command
"""
    result = run_python(code, cwd=tmp_path)
    assert (result.returncode, result.stderr.strip()) == (0, "")
    for text in result.stdout.split("help of ")[1:]:
        assert "usage: python -m atarigan" in text, text
    assert result.stdout.count("help of ") == len(COMMANDS)


@pytest.mark.parametrize("command", ["collect --out data --policy", "evaluate --policy"])
def test_a_wrong_algorithm_is_refused_before_anything_heavy_is_imported(
    tmp_path: Path, command: str
) -> None:
    (tmp_path / "a.zip").touch()
    words = [*command.split(), "sb3:PPPO:a.zip", "--env-id", "ALE/Pong-v5"]
    code = (
        f"from atarigan import {words[0]}; from atarigan.cli import command_line\n"
        f"try: command_line.run({words[0]}.main, command={words[0]!r})\n"
        f"except SystemExit as end: assert end.code == 2\n{SAY_WHAT_IS_HEAVY}"
    )
    result = run_python(code, *words[1:], cwd=tmp_path)
    complaint, heavy = result.stderr.splitlines()[-2:]
    assert "no algorithm 'PPPO': did you mean 'PPO'" in complaint
    assert heavy == ""


@pytest.mark.parametrize("package", ["atarigan", "atarigan.envs"])
def test_every_public_name_is_there_and_no_other(package: str) -> None:
    module = importlib.import_module(package)
    assert all(getattr(module, name) is not None for name in module.__all__)
    with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'Framebuffer'"):
        _ = module.Framebuffer


def test_envs_folder_says_how_to_import_it() -> None:
    result = run_python("import envs", cwd=ROOT)
    assert result.returncode == 1
    assert result.stderr.splitlines()[-1].startswith(
        "ImportError: this package must be imported as atarigan.envs, not envs: "
    )


def test_every_module_can_be_read_in_one_sitting() -> None:
    modules = [
        path for name in ("atarigan", "envs", "benchmarks") for path in (ROOT / name).rglob("*.py")
    ]
    lengths = {os.fspath(path.relative_to(ROOT)): path.read_text().count("\n") for path in modules}
    assert len(lengths) > 30
    assert [name for name, length in lengths.items() if length > 400] == []
