"""A page: figures, pictures and tables in one self-contained HTML file."""

import base64
from collections.abc import Iterable, Mapping, Sequence
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import Any

import imageio.v3 as iio

from atarigan.files import atomic
from atarigan.images.pixels import Frames

_MIME = {".png": "image/png", ".gif": "image/gif", ".mp4": "video/mp4"}


class Page:
    """An HTML page that is built part by part and then written.

    Args:
        title: title of the page.
        subtitle: line below the title.
    """

    def __init__(self, title: str, subtitle: str) -> None:
        self._title = title
        self._subtitle = subtitle
        self._parts: list[str] = []

    def heading(self, title: str, note: str = "") -> None:
        """Add a heading with a note below it."""
        self._parts.append(f"<h2>{escape(title)}</h2>")
        if note:
            self._parts.append(f"<p>{escape(note)}</p>")

    def figures(self, values: Mapping[str, str]) -> None:
        """Add a row of boxes with a named figure each."""
        boxes = (f"<div><dt>{escape(k)}</dt><dd>{escape(v)}</dd></div>" for k, v in values.items())
        self._parts.append(f"<dl>{''.join(boxes)}</dl>")

    def picture(self, title: str, picture: Frames | Path, note: str = "") -> None:
        """Add an RGB picture uint8 (H, W, 3), or a picture or video file, below a heading."""
        self.heading(title, note)
        if isinstance(picture, Path):
            data, suffix = picture.read_bytes(), picture.suffix
        else:
            data, suffix = iio.imwrite("<bytes>", picture, extension=".png"), ".png"
        source = f"data:{_MIME[suffix]};base64,{base64.b64encode(data).decode()}"
        self._parts.append(
            f'<video src="{source}" autoplay loop muted controls playsinline></video>'
            if suffix == ".mp4"
            else f'<img src="{source}" alt="{escape(title)}">'
        )

    def settings(self, tables: Mapping[str, Iterable[tuple[str, Any]]]) -> None:
        """Add tables of names and values, by caption, side by side."""
        self._parts.append('<div class="tables">')
        for caption, rows in tables.items():
            cells = (f"<tr><td>{escape(k)}</td><td>{escape(str(v))}</td></tr>" for k, v in rows)
            self._parts.append(
                f"<table><caption>{escape(caption)}</caption>{''.join(cells)}</table>"
            )
        self._parts.append("</div>")

    def table(self, heads: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
        """Add a table of text. The first and the last column are aligned left."""
        head = "".join(f"<th>{escape(cell)}</th>" for cell in heads)
        body = "".join(
            f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows
        )
        self._parts.append(f'<table class="figures"><tr>{head}</tr>{body}</table>')

    def code(self, text: str) -> None:
        """Add preformatted text, such as commands."""
        self._parts.append(f"<pre>{escape(text)}</pre>")

    def write(self, path: Path) -> None:
        """Write the page; a reader sees the old one or the new one."""
        template = files(__package__).joinpath("page.html").read_text(encoding="utf-8")
        html = Template(template).substitute(
            title=escape(self._title),
            subtitle=escape(self._subtitle),
            body="\n".join(self._parts),
        )
        with atomic.new_file(path) as temporary:
            temporary.write_text(html, encoding="utf-8")
