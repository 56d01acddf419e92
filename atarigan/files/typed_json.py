"""Convert dataclasses to JSON and back, and check the type of every field."""

import dataclasses
import json
import types
import typing
from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeVar

from atarigan.errors import InputError, did_you_mean, shown

T = TypeVar("T")
_LARGEST_FILE = 1 << 20
_LARGEST_EXACT = 1 << 53  # integers up to this are exact as floats


def read_json(path: Path, cls: type[T]) -> T:
    """Read a dataclass from a JSON file.

    Raises:
        InputError: the file is missing, over 1 MiB, not JSON, or does not match the class.
    """
    return from_dict(cls, load_json(path), str(path))


def load_json(path: Path) -> Any:
    """Read a JSON file.

    Raises:
        InputError: the file is missing, over 1 MiB or not JSON.
    """
    try:
        with path.open("rb") as file:
            content = file.read(_LARGEST_FILE + 1)
        size = max(path.stat().st_size, len(content))  # a pipe has no size
    except FileNotFoundError:
        raise InputError(f"{path} does not exist") from None
    except IsADirectoryError:
        raise InputError(f"{path} must be a file, not a folder") from None
    if size > _LARGEST_FILE:
        raise InputError(f"{path} must be at most {_LARGEST_FILE} bytes, not {size}")
    try:
        return json.loads(content.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise InputError(f"{path} is not valid JSON: {error}") from None


def write_json(path: Path, value: Any) -> None:
    """Write a dataclass to a JSON file that `read_json` reads."""
    path.write_text(json.dumps(dataclasses.asdict(value), indent=2) + "\n", encoding="utf-8")


def from_dict(cls: type[T], data: Any, where: str) -> T:
    """Make a dataclass from a dictionary.

    If the class has a field `format_version`, only its default and the class's `READABLE_FORMATS`
    are accepted. If the class has a table `FORMER_NAMES`, former name to name, keys may have their
    former names.

    Args:
        cls: the dataclass.
        data: the dictionary.
        where: what the dictionary is, to begin messages with.

    Raises:
        InputError: an unknown key, a missing key without a default, a value of another type, or an
            error raised by the class itself.
    """
    if not isinstance(data, dict):
        raise InputError(f"{where} must hold a table of settings, not {shown(data)}")
    former = getattr(cls, "FORMER_NAMES", {})
    renamed = {old: new for old, new in former.items() if new not in data}
    data = {renamed.get(key, key): value for key, value in data.items()}
    fields = {field.name: field for field in dataclasses.fields(cls)}  # type: ignore[arg-type]
    hints = typing.get_type_hints(cls)
    _check_format_version(cls, fields, data, where)
    for key in data:
        if key not in fields:
            raise InputError(
                f"{where}: unknown setting {shown(key)}: {did_you_mean(str(key), fields)}"
            )
    for name, field in fields.items():
        has_default = (
            field.default is not dataclasses.MISSING
            or field.default_factory is not dataclasses.MISSING
        )
        if name not in data and not has_default:
            raise InputError(f"{where}: the setting {name!r} is missing")
    values = {key: _converted(value, hints[key], f"{where}: {key}") for key, value in data.items()}
    try:
        return cls(**values)
    except InputError as error:
        raise InputError(f"{where}: {error}") from None


def _check_format_version(
    cls: type[Any], fields: dict[str, dataclasses.Field[Any]], data: dict[str, Any], where: str
) -> None:
    """Check the version before the keys, because another version may have other keys."""
    if "format_version" not in fields:
        return
    newest = fields["format_version"].default
    readable = getattr(cls, "READABLE_FORMATS", (newest,))
    found = data.get("format_version", newest)
    if type(found) is not int or found not in readable:
        raise InputError(
            f"{where}: format_version must be {' or '.join(map(str, readable))}, "
            f"not {shown(found)}: "
            "another release of atarigan wrote it"
        )


def _converted(value: Any, hint: Any, where: str) -> Any:
    origin, arguments = typing.get_origin(hint), typing.get_args(hint)
    if origin in (typing.Union, types.UnionType):
        return _converted_to_any_of(value, arguments, where)
    if origin is typing.Literal:
        if value in arguments:
            return value
        raise InputError(
            f"{where} must be one of {', '.join(map(str, arguments))}, not {shown(value)}"
        )
    if origin is tuple and isinstance(value, (list, tuple)):
        return _converted_to_tuple(value, arguments, where)
    if origin is dict and isinstance(value, dict):
        return {str(key): _converted(item, arguments[1], where) for key, item in value.items()}
    if dataclasses.is_dataclass(hint):
        return from_dict(hint, value, where)  # type: ignore[arg-type]
    if hint is Any:
        return value
    if hint is float and type(value) is int and abs(value) <= _LARGEST_EXACT:
        return float(value)
    if isinstance(hint, type) and type(value) is hint:
        return value
    raise InputError(f"{where} must be {getattr(hint, '__name__', hint)}, not {shown(value)}")


def _converted_to_tuple(value: Sequence[Any], hints: tuple[Any, ...], where: str) -> Any:
    if hints[-1] is Ellipsis:
        hints = (hints[0],) * len(value)
    if len(value) != len(hints):
        raise InputError(f"{where} must have {len(hints)} items, not {len(value)}")
    return tuple(_converted(item, hint, where) for item, hint in zip(value, hints, strict=True))


def _converted_to_any_of(value: Any, hints: tuple[Any, ...], where: str) -> Any:
    others = [hint for hint in hints if hint is not type(None)]
    if value is None and len(others) < len(hints):
        return None
    if len(others) == 1:  # its own message is more precise
        return _converted(value, others[0], where)
    for hint in others:
        try:
            return _converted(value, hint, where)
        except InputError:
            continue
    names = " or ".join(getattr(hint, "__name__", str(hint)) for hint in hints)
    raise InputError(f"{where} must be {names}, not {shown(value)}")
