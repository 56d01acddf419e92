"""The notebooks of docs/tutorials: stored without output, and run as `make docs` does."""

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import imageio.v3 as iio
import pytest

TUTORIALS = Path(__file__).parents[1] / "docs" / "tutorials"
NOTEBOOK = TUTORIALS / "generated-frames.ipynb"


def test_notebooks_are_stored_without_output() -> None:
    for path in TUTORIALS.glob("*.ipynb"):
        for cell in json.loads(path.read_text())["cells"]:
            assert not cell.get("outputs")
            assert cell.get("execution_count") is None


def test_the_notebook_has_ten_cells_and_installs_itself_on_a_hosted_service() -> None:
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert len(cells) == 10
    first_code = next(cell for cell in cells if cell["cell_type"] == "code")
    assert "%pip install" in "".join(first_code["source"])


@pytest.mark.slow  # half a minute
def test_the_notebook_runs_and_its_policy_plays_in_generated_frames() -> None:
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    client = nbclient.NotebookClient(notebook, timeout=600, kernel_name="python3")
    client.execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert not [output for output in outputs if output.get("name") == "stderr"]
    pictures = [picture for output in outputs for picture in pictures_of(output)]
    assert [picture.ndim for picture in pictures] == [3, 3, 4]
    assert all(picture.std() > 10 for picture in pictures)
    printed = "".join(output["text"] for output in outputs if output.get("name") == "stdout")
    found = re.findall(r"^(.*): (\d+) points$", printed, re.M)
    scores = {name: int(score) for name, score in found}
    assert scores["real frames"] >= scores["generated frames"] - 3
    assert scores["generated frames"] > scores["random actions"]


def pictures_of(output: Any) -> list[Any]:
    data = output.get("data", {})
    kinds = [kind for kind in ("image/png", "image/gif") if kind in data]
    return [
        iio.imread(io.BytesIO(base64.b64decode(data[kind])), extension=f".{kind[6:]}")
        for kind in kinds
    ]
