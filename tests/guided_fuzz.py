"""Coverage-guided fuzzing of one reader: `python -m tests.guided_fuzz IDX -runs=10000`.

It needs the extra `fuzz` (atheris). What follows the reader's name goes to libFuzzer. An input is
the number of the file that it takes the place of, in a byte, and the file.
"""

import contextlib
import sys
import tempfile
import warnings
from pathlib import Path

try:
    import atheris
except ImportError:
    sys.exit("tests.guided_fuzz needs atheris: pip install -e '.[fuzz]'")

with atheris.instrument_imports(include=["atarigan"]):
    from tests.fuzz import Watch, verdict
    from tests.readers import READERS


def main() -> None:
    name, *flags = sys.argv[1:]
    if name not in READERS:
        sys.exit(f"there is no reader {name!r}: {', '.join(READERS)}")
    warnings.simplefilter("ignore")
    reader, watch = READERS[name], Watch()
    folder = Path(tempfile.mkdtemp(prefix="guided-"))
    corpus = folder / "corpus"
    corpus.mkdir()
    specimen = folder / "specimen"
    specimen.mkdir()
    reader.write(specimen)
    contents = [(specimen / each).read_bytes() for each in reader.names]
    for number, content in enumerate(contents):
        (corpus / str(number)).write_bytes(bytes([number]) + content)
    reader.read(specimen)

    def try_input(data: bytes) -> None:
        number = data[0] % len(contents) if data else 0
        path = specimen / reader.names[number]
        path.write_bytes(data[1:])
        found = verdict(reader.read, specimen, watch)
        path.write_bytes(contents[number])
        if found not in ("accepted", "refused"):
            raise AssertionError(found)

    with contextlib.chdir(folder):  # where libFuzzer leaves an input that fails
        atheris.Setup(
            [sys.argv[0], *flags, "-max_len=20000", "-timeout=10", str(corpus)], try_input
        )
        print(f"{name}: what fails is left in {folder}", file=sys.stderr)
        atheris.Fuzz()


if __name__ == "__main__":
    main()
