"""What a run tells about the groups that move: lines, positions.json, positions.png."""

import json
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest

from atarigan.models.families import NETWORKS
from atarigan.models.families.network import NetworkShape
from atarigan.models.search.positions import DECODINGS, NO_BYTE, MovingGroup, PositionByte
from atarigan.training.observers.moving_objects import MovingObjects
from atarigan.training.run_folder import RunFolder

SIZE = (20, 24)
FIXED = PositionByte(NO_BYTE, 0)
FIRST, SECOND, THIRD = (PositionByte(byte, DECODINGS.index("v")) for byte in range(3))


class Frames:
    """A source of one frame and its state."""

    num_samples = 1

    def samples_at(self, which):
        return np.full((len(which), *SIZE, 1), 60, np.uint8)

    def conditions_at(self, which):
        return np.full((len(which), 4), 5, np.uint8)


def group_at(row, column, *, top=3, consistency=0.75):
    return MovingGroup(row, column, top, 6, 2, 8, 0.25, consistency, np.ones((6, 8)))


@pytest.fixture
def trainer():
    shape = NetworkShape((1, *SIZE), latent_size=2, condition_size=4, state_size=4)
    generator = NETWORKS["shifted_profiles"]().generator(shape)
    generator.groups.append([group_at(FIXED, FIRST), group_at(FIRST, SECOND)], 2)
    return SimpleNamespace(updates=SimpleNamespace(generator=generator), source=Frames())


def whole(num):
    return [(slice(None), slice(None))] * num


def lines_of(capsys):
    return capsys.readouterr().out.splitlines()


def test_the_groups_are_printed_written_and_drawn_at_the_start(trainer, tmp_path, capsys):
    folder = RunFolder(tmp_path / "run")
    MovingObjects(folder, trainer)
    first, second = lines_of(capsys)
    assert first.startswith("found: rows fixed")
    assert "columns byte 0 as v" in first
    assert "25.0% of the motion, consistency 0.75" in first
    assert "rows byte 0 as v" in second
    table = json.loads(folder.positions.read_text())
    assert (table["lines"], table["columns"]) == SIZE
    assert table["groups"][0] == {
        "row": None,
        "column": {"byte": 0, "decoder": "v"},
        "window": [3, 2, 6, 8],
        "share": 0.25,
        "consistency": 0.75,
    }
    assert len(table["groups"]) == 2
    assert cv2.imread(str(folder.positions_picture)) is not None


def test_a_new_group_is_printed_where_as_many_were_dropped(trainer, tmp_path, capsys):
    observer = MovingObjects(RunFolder(tmp_path), trainer)
    generator = trainer.updates.generator
    lines_of(capsys)
    generator.groups.keep([None, *whole(1)])
    generator.groups.append([group_at(FIXED, THIRD)], 2)
    observer.after_step(trainer)
    assert lines_of(capsys) == []  # looked at only where the generator was extended
    generator.extensions += 1
    observer.after_step(trainer)
    (line,) = lines_of(capsys)
    assert "columns byte 2 as v" in line
    observer.at_end(trainer)
    assert lines_of(capsys) == []
    table = json.loads((tmp_path / "positions.json").read_text())
    assert [group["column"]["byte"] for group in table["groups"]] == [1, 2]


def test_slabs_of_the_same_bytes_are_printed_each(trainer, tmp_path, capsys):
    trainer.updates.generator.groups.append([group_at(FIXED, FIRST, top=9)], 2)
    MovingObjects(RunFolder(tmp_path), trainer)
    assert len(lines_of(capsys)) == 3


def test_groups_without_a_finite_consistency_leave_valid_json(trainer, tmp_path):
    trainer.updates.generator.groups.append([group_at(FIXED, THIRD, consistency=math.inf)], 2)
    MovingObjects(RunFolder(tmp_path), trainer)

    def refuse(name):
        raise ValueError(name)

    table = json.loads((tmp_path / "positions.json").read_text(), parse_constant=refuse)
    assert [group["consistency"] for group in table["groups"]] == [0.75, 0.75, None]


def test_a_network_that_looks_for_nothing_leaves_no_files(trainer, tmp_path, capsys):
    shape = NetworkShape((1, *SIZE), latent_size=2, condition_size=4, state_size=4)
    other = NETWORKS["profiles"]().generator(shape)
    trainer = SimpleNamespace(updates=SimpleNamespace(generator=other), source=Frames())
    MovingObjects(RunFolder(tmp_path), trainer)
    assert lines_of(capsys) == []
    assert list(tmp_path.iterdir()) == []
