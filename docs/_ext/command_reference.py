"""Sphinx directives that read commands, flags and names from the code, so that pages stay true."""

import contextlib
import io
import os
import re
from importlib import import_module
from unittest import mock

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FLAG = re.compile(
    r"(?P<flag>--?[\w-]+(?:, --?[\w-]+)*)(?: (?P<value>\S.*?))?(?:\s{2,}|$)(?P<text>.*)"
)
NAMED_FLAG = re.compile(r"(?<![\w`-])--[a-z][\w-]*")
NOTE = re.compile(
    r"\s*\((?:default: (?P<default>[^()]*(?:\([^()]*\)[^()]*)*)|(?P<required>required))\)$"
)


class CommandReference(SphinxDirective):
    """The description and the flags of one command, as its `--help` gives them."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        name = self.arguments[0]
        description, flags = flags_of(name)
        self.env.note_dependency(str(import_module(f"atarigan.{name}").__file__))
        rows = ["| flag | value | default | meaning |", "| --- | --- | --- | --- |"]
        rows += [f"| {' | '.join(map(_cell, flag))} |" for flag in flags]
        text = "\n".join([*description, "", *rows])
        return self.parse_text_to_nodes(text)


class NamedChoices(SphinxDirective):
    """A table of what one flag of `train` takes by name: its registry, a line each."""

    required_arguments = 1

    def run(self) -> list[nodes.Node]:
        rows = ["| name | what it is |", "| --- | --- |"]
        rows += [f"| `{name}` | {_cell(text)} |" for name, text in summaries_of(self.arguments[0])]
        return self.parse_text_to_nodes("\n".join(rows))


def flags_of(command: str) -> tuple[list[str], list[tuple[str, str, str, str]]]:
    """A command's description, and (flag, value, default, meaning) of each flag."""
    lines = help_of(command).splitlines()
    boxed = [line.strip("│").strip() for line in lines if line.startswith("│")]
    description = [line for line in lines[1:] if line[:1] not in set("╭│╰")]
    flags: list[tuple[str, str, str, str]] = []
    for line in boxed:
        match = FLAG.match(line)
        if match and match["flag"].startswith("-"):
            flags.append((match["flag"], match["value"] or "", "", match["text"]))
        else:
            flag, value, default, text = flags[-1]
            flags[-1] = (flag, value, default, f"{text} {line}".strip())
    marked = [NAMED_FLAG.sub(r"`\g<0>`", line) for line in description]
    return marked, [_with_default(*flag) for flag in flags[1:]]


def help_of(command: str) -> str:
    """What `python -m atarigan.COMMAND --help` prints, with lines as long as they like."""
    output = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")  # in which the boxes are drawn
    main = import_module(f"atarigan.{command}").main
    with (
        mock.patch.dict(os.environ, {"COLUMNS": "2000", "NO_COLOR": "1"}),
        contextlib.redirect_stdout(output),
        contextlib.suppress(SystemExit),
    ):
        main(["--help"])
    output.seek(0)
    return output.read()


def _with_default(flag: str, value: str, _: str, text: str) -> tuple[str, str, str, str]:
    """Take the default out of the meaning, and show a switch by its first form."""
    note = NOTE.search(text)
    default = (
        (note["default"] or ("" if note["default"] is not None else "required")) if note else ""
    )
    switch = flag.split(", ")[0]
    default = {"False": "off", "True": "on", "None": ""}.get(default.strip(), default.strip())
    value = value.replace("{None}|", "").strip("{}").replace(",", ", ")
    return f"`{switch}`", value and f"`{value}`", default, NOTE.sub("", text).strip()


def summaries_of(flag: str) -> list[tuple[str, str]]:
    """(name, summary) of what a flag of `train` takes."""
    names: dict[str, list[tuple[str, str]]] = {}
    for line in import_module("atarigan.train").choices().splitlines():
        if line.startswith("--"):
            chosen = names.setdefault(line.removeprefix("--"), [])
        else:
            name, summary = line.split(maxsplit=1)
            chosen.append((name, summary))
    return names[flag]


def _cell(text: str) -> str:
    """Text that stays in its cell of a Markdown table and is no markup."""
    if text.startswith("`"):
        return text.replace("|", r"\|")
    escaped = re.sub(r"([|<*_$])", r"\\\1", text).replace("{", r"\{")
    return NAMED_FLAG.sub(r"`\g<0>`", escaped)


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("command-reference", CommandReference)
    app.add_directive("named-choices", NamedChoices)
    return {"parallel_read_safe": True}
