"""Assembles the page that plays a model: one HTML file of `play/`, with its tables inside."""

import base64
import gzip
import json
import re
from collections.abc import Mapping
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import numpy as np
import numpy.typing as npt

from atarigan.errors import InputError
from atarigan.files import atomic

MOST_BYTES = 12_000_000
_FOLDER = "play"
_FIRST = "main.js"
_ALIGNMENT = 8
_IMPORT = re.compile(r'^import \{(.*?)\} from "\./(\w+)\.js";\n', re.M | re.S)
_EXPORT = re.compile(r"^export ((?:async )?(?:class|const|function) (\w+))", re.M)


def write_play_page(
    path: Path, title: str, settings: Mapping[str, Any], tables: Mapping[str, npt.NDArray[Any]]
) -> None:
    """Write the page; a reader sees the old one or the new one.

    Args:
        path: of the file.
        title: heading.
        settings: what JSON can hold.
        tables: arrays of whole numbers of up to 32 bits and of float32, by name.

    Raises:
        InputError: the page would be larger than 12 MB.
    """
    html = Template(_read("page.html")).substitute(
        title=escape(title),
        style=_read("style.css"),
        script=script(),
        model=packed(settings, tables),
    )
    content = html.encode("utf-8")
    if len(content) > MOST_BYTES:
        raise InputError(
            f"a page must be at most {MOST_BYTES / 1e6:.0f} MB, not {len(content) / 1e6:.1f} MB: "
            "pack the generator first (python -m atarigan.pack)"
        )
    with atomic.new_file(path) as temporary:
        temporary.write_bytes(content)


def packed(settings: Mapping[str, Any], tables: Mapping[str, npt.NDArray[Any]]) -> str:
    """Return settings and tables as `play/tables.js` reads them: the length of a header, uint32,
    the header as JSON, and the arrays, all compressed (gzip) and in base64.
    """
    places, content = {}, bytearray()
    for name, table in tables.items():
        places[name] = [table.dtype.str[1:], table.shape, len(content)]
        content += np.ascontiguousarray(table, table.dtype.newbyteorder("<")).tobytes()
        content += bytes(-len(content) % _ALIGNMENT)
    header = json.dumps({"settings": settings, "tables": places}).encode()
    header += b" " * (-(4 + len(header)) % _ALIGNMENT)
    whole = np.array(len(header), "<u4").tobytes() + header + content
    return base64.b64encode(gzip.compress(whole, 9, mtime=0)).decode()


def script() -> str:
    """Return the modules of `play/` as one script, each in a scope of its own after those that it
    imports.
    """
    found: dict[str, str] = {}
    _collect(_FIRST, found)
    return "\n".join(found.values())


def _collect(name: str, found: dict[str, str]) -> None:
    text = _read(name)
    for _, imported in _IMPORT.findall(text):
        if f"{imported}.js" not in found:
            _collect(f"{imported}.js", found)
    body = _EXPORT.sub(r"\1", _IMPORT.sub(r"const {\1} = \2;\n", text)).strip()
    exported = ", ".join(each for _, each in _EXPORT.findall(text))
    found[name] = (
        f"const {name.removesuffix('.js')} = (() => {{\n{body}\nreturn {{ {exported} }};\n}})();\n"
    )


def _read(name: str) -> str:
    return files(__package__).joinpath(_FOLDER, name).read_text(encoding="utf-8")
