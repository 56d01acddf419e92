from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

import hypothesis
import pytest
from hypothesis import given
from hypothesis import strategies as st

from atarigan.errors import InputError
from atarigan.files import typed_json


@dataclass(frozen=True)
class Size:
    height: int
    width: int = 84

    def __post_init__(self) -> None:
        if self.height < 1:
            raise InputError(f"height must be at least 1, not {self.height}")


@dataclass(frozen=True)
class Settings:
    size: Size
    name: Literal["gray", "rgb"] = "gray"
    rate: float = 0.5
    is_on: bool = False
    seed: int | None = None
    inner: Size | None = None
    either: int | str = 0
    shape: tuple[int, ...] = ()
    pair: tuple[int, str] = (1, "a")
    extra: dict[str, Any] = field(default_factory=dict)
    counts: dict[str, int] = field(default_factory=dict)


@dataclass(frozen=True)
class Versioned:
    capacity: int
    format_version: int = 1


def settings_of(**values: Any) -> Settings:
    return typed_json.from_dict(Settings, {"size": {"height": 3}, **values}, "config.json")


SETTINGS = st.builds(
    Settings,
    size=st.builds(Size, st.integers(1, 300), st.integers()),
    name=st.sampled_from(["gray", "rgb"]),
    rate=st.floats(allow_nan=False),
    is_on=st.booleans(),
    seed=st.none() | st.integers(),
    inner=st.none() | st.builds(Size, st.integers(1, 300)),
    either=st.integers() | st.text(),
    shape=st.lists(st.integers()).map(tuple),
    pair=st.tuples(st.integers(), st.text()),
    extra=st.dictionaries(st.text(), st.none() | st.booleans() | st.text() | st.integers()),
    counts=st.dictionaries(st.text(), st.integers()),
)


@hypothesis.settings(max_examples=50)
@given(SETTINGS)
def test_what_is_written_is_read_back(tmp_path_factory: Any, settings: Settings) -> None:
    path = tmp_path_factory.mktemp("json") / "settings.json"
    typed_json.write_json(path, settings)
    assert typed_json.read_json(path, Settings) == settings


def test_missing_settings_take_their_defaults() -> None:
    assert settings_of() == Settings(Size(3))


def test_whole_number_serves_as_float() -> None:
    rate = settings_of(rate=2).rate
    assert rate == 2.0
    assert isinstance(rate, float)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"sise": 3}, "config.json: unknown setting 'sise': did you mean 'size'? known: "),
        ({"size": {"width": 3}}, "config.json: size: the setting 'height' is missing"),
        ({"size": {"height": 3, "x": 1}}, "config.json: size: unknown setting 'x': known: "),
        ({"size": {"height": 0}}, "config.json: size: height must be at least 1, not 0"),
        ({"size": 3}, "config.json: size must hold a table of settings, not 3"),
        ({"inner": {"height": "3"}}, "config.json: inner: height must be int, not '3'"),
        ({"name": "palette"}, "config.json: name must be one of gray, rgb, not 'palette'"),
        ({"rate": "fast"}, "config.json: rate must be float, not 'fast'"),
        ({"rate": True}, "config.json: rate must be float, not True"),
        ({"rate": 10**400}, "config.json: rate must be float, not 1000"),
        ({"rate": None}, "config.json: rate must be float, not None"),
        ({"is_on": 1}, "config.json: is_on must be bool, not 1"),
        ({"seed": 1.0}, "config.json: seed must be int, not 1.0"),
        ({"seed": True}, "config.json: seed must be int, not True"),
        ({"either": 1.5}, "config.json: either must be int or str, not 1.5"),
        ({"shape": 3}, "config.json: shape must be tuple, not 3"),
        ({"shape": [3, "4"]}, "config.json: shape must be int, not '4'"),
        ({"pair": [3]}, "config.json: pair must have 2 items, not 1"),
        ({"pair": ["a", 3]}, "config.json: pair must be int, not 'a'"),
        ({"counts": {"a": "b"}}, "config.json: counts must be int, not 'b'"),
        ({"extra": []}, "config.json: extra must be dict, not []"),
        ({"name": "x" * 500}, "config.json: name must be one of gray, rgb, not 'xxx"),
    ],
)
def test_wrong_setting_is_refused_by_name(values: dict[str, Any], message: str) -> None:
    with pytest.raises(InputError) as error:
        settings_of(**values)
    assert str(error.value).startswith(message)
    assert len(str(error.value)) < 200


@pytest.mark.parametrize("data", [[], "text", 3, None])
def test_other_data_than_a_table_is_refused(data: Any) -> None:
    with pytest.raises(InputError, match="config.json must hold a table of settings, not "):
        typed_json.from_dict(Settings, data, "config.json")


def test_other_format_version_is_named_before_the_settings_it_brings() -> None:
    with pytest.raises(InputError) as error:
        typed_json.from_dict(Versioned, {"format_version": 2, "num_slots": 9}, "meta.json")
    assert str(error.value) == (
        "meta.json: format_version must be 1, not 2: another release of atarigan wrote it"
    )


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", "is not valid JSON: Expecting value"),
        (b"{", "is not valid JSON: "),
        (b'{"size": {"height": 3}} x', "is not valid JSON: Extra data"),
        (b"\xff\xfe\x00", "is not valid JSON: "),
        (b"[" * 100_000, "is not valid JSON: "),
        (b'{"seed": ' + b"1" * 5000 + b"}", "is not valid JSON: "),
        (b" " * (1 << 20) + b"{}", "must be at most 1048576 bytes, not 1048578"),
    ],
)
def test_damaged_file_is_refused_in_one_line(tmp_path: Path, content: bytes, message: str) -> None:
    path = tmp_path / "settings.json"
    path.write_bytes(content)
    with pytest.raises(InputError) as error:
        typed_json.read_json(path, Settings)
    assert str(error.value).startswith(f"{path} {message}")
    assert "\n" not in str(error.value)


def test_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="absent.json does not exist"):
        typed_json.read_json(tmp_path / "absent.json", Settings)
