"""The tests under every interpreter at hand, with the oldest and the newest versions of what
atarigan stands on: `python -m tests.versions`, or `make versions`.
"""

import argparse
import os
import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
PACKAGES = ("gymnasium", "ale-py", "stable-baselines3", "numpy")
INTERPRETERS = ("python3.11", "python3.12", "python3.13")
_MAX_MINORS = 4
_SAY_VERSIONS = (
    "import sys; from importlib.metadata import version; "
    "print(*(version(name) for name in sys.argv[1:]))"
)


def run(*command: str | Path, **options: Any) -> "subprocess.CompletedProcess[str]":
    words = [os.fspath(word) for word in command]
    return subprocess.run(words, cwd=ROOT, text=True, capture_output=True, **options)


def pip(python: Path, *words: str) -> bool:
    return run(python, "-m", "pip", "install", "--quiet", *words).returncode == 0


def base_of(interpreter: Path, folder: Path) -> Path:
    """The Python of an environment with everything pinned, made if need be."""
    prefix = run(interpreter, "-c", "import sys; print(sys.version_info[:2])").stdout
    if prefix == f"{sys.version_info[:2]}\n":
        return Path(sys.executable)
    environment = folder / interpreter.name
    python = environment / "bin" / "python"
    if not python.exists():
        run(interpreter, "-m", "venv", environment, check=True)
        pinned = ("--constraint", "constraints.txt")
        if not pip(python, *pinned, "setuptools"):
            raise RuntimeError(f"nothing can be installed under {interpreter}")
        if not pip(python, *pinned, "--no-build-isolation", "--editable", ".[dev]"):
            raise RuntimeError(f"atarigan does not install under {interpreter}")
    return python


def variant_of(base: Path, name: str, folder: Path) -> Path:
    """The Python of an environment that has all of another, but `PACKAGES` in versions of its own:
    "oldest" or "newest".
    """
    version = run(base, "-c", "import sys; print('%d.%d' % sys.version_info[:2])").stdout.strip()
    environment = folder / f"{name}-{version}"
    python = environment / "bin" / "python"
    run(base, "-m", "venv", environment, check=True)
    packages = run(base, "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").stdout
    [site_packages] = environment.glob("lib/python*/site-packages")
    borrow = f"import site; site.addsitedir({packages.strip()!r})\n"
    (site_packages / "borrowed.pth").write_text(borrow)
    chosen = [_that_installs(python, package, name == "oldest") for package in PACKAGES]
    if not pip(python, "--only-binary=:all:", *chosen):  # with what the four of them need
        raise RuntimeError(f"{chosen} do not go together under {base}")
    return python


def _that_installs(python: Path, package: str, is_oldest: bool) -> str:
    """The first requirement that can be met of those for a package, which is installed."""
    candidates = oldest(package) if is_oldest else [package]
    for candidate in candidates:
        if pip(python, "--upgrade", "--only-binary=:all:", candidate):
            return candidate
    raise RuntimeError(f"{package} does not install under {python}: {candidates}")


def oldest(package: str) -> list[str]:
    """Requirements for the lower bound in pyproject.toml and, as an interpreter may be newer than
    it, the minor versions behind it.
    """
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    [bound] = [
        found[1]
        for requirement in project["dependencies"]
        if (found := re.match(rf"{package}(?:\[.*\])?>=([\d.]+)", requirement))
    ]
    major, minor = map(int, bound.split(".")[:2])
    later = [f"{package}=={major}.{minor + more}.*" for more in range(1, _MAX_MINORS)]
    return [f"{package}=={bound}", *later]


def tested(python: Path, paths: list[str], jobs: int) -> str:
    """The last line that the tests print: so many passed."""
    words = ["-n", str(jobs), "--dist", "loadfile", "-m", "not slow", "-p", "no:cacheprovider"]
    result = run(python, "-m", "pytest", *words, *paths)
    lines = result.stdout.splitlines()
    failed = [line for line in lines if line.startswith(("FAILED", "ERROR"))]
    print(*failed, sep="\n", file=sys.stderr, flush=True)
    return lines[-1].strip("= ") if lines else result.stderr[-200:]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", nargs="*", default=INTERPRETERS, help="names or paths")
    parser.add_argument("--folder", type=Path, default=ROOT / "build" / "versions")
    parser.add_argument("--variants", nargs="*", default=["oldest", "newest"])
    parser.add_argument("--jobs", type=int, default=2)
    parser.add_argument("--tests", nargs="*", default=["tests"])
    flags = parser.parse_args()
    print(f"| Python | {' | '.join(PACKAGES)} | outcome |\n|---|{'---|' * len(PACKAGES)}---|")
    outcomes = []
    for name in flags.python:
        interpreter = shutil.which(name)
        if interpreter is None or run(interpreter, "-c", "").returncode:
            print(f"| {name} is not at hand |", flush=True)
            continue
        base = base_of(Path(interpreter), flags.folder)
        for variant in flags.variants:
            python = variant_of(base, variant, flags.folder)
            versions = run(python, "-c", _SAY_VERSIONS, *PACKAGES).stdout.replace(" ", " | ")
            outcomes.append(tested(python, flags.tests, flags.jobs))
            print(f"| {name} | {versions.strip()} | {outcomes[-1]} |", flush=True)
    return 1 if any("failed" in outcome or "error" in outcome for outcome in outcomes) else 0


if __name__ == "__main__":
    sys.exit(main())
