"""Settings of Sphinx: `make docs` builds the site into docs/_build/html."""

import re
import sys
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx

from atarigan import __version__

sys.path.insert(0, str(Path(__file__).parent / "_ext"))

project = "atarigan"
author = "The atarigan developers"
copyright = "the atarigan developers"
version = release = __version__

extensions = [
    "myst_nb",
    "sphinx.ext.autodoc",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
    "command_reference",
]
exclude_patterns = ["_build", "README.md", "benchmarks/games_table.md"]
smartquotes = False  # which makes dashes of flags
pygments_dark_style = "monokai"
highlight_language = "none"  # of blocks that name none
default_role = "code"  # docstrings write names in single backticks

myst_enable_extensions = ["attrs_inline", "colon_fence", "deflist"]
myst_heading_anchors = 3
suppress_warnings = ["config.cache"]
nb_execution_mode = "force"  # notebooks are stored without their output
nb_execution_timeout = 600
nb_execution_raise_on_error = True

autodoc_member_order = "bysource"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_preserve_defaults = True
autodoc_mock_imports = ["tensordict", "torchrl"]  # of an extra that the build does without
napoleon_google_docstring = True
napoleon_numpy_docstring = False
napoleon_use_ivar = True
# Types of other packages have their documentation elsewhere, which the build does not fetch, and
# types of private modules are explained where they are used.
nitpick_ignore_regex = [("py:.*", r"(?!atarigan\.(envs\.)?[A-Z]).*")]

copybutton_prompt_text = r">>> |\.\.\. |\$ "
copybutton_prompt_is_regexp = True

html_theme = "furo"
html_title = f"atarigan {version}"
html_static_path = ["_static"]
html_css_files = ["style.css"]
html_show_sphinx = False
html_copy_source = False
html_show_sourcelink = False
html_theme_options = {"navigation_with_keys": True}

FENCE = re.compile(r"^```\w*$")
ASTERISK = re.compile(r"(`[^`]*`)|\*")


def plain_docstring(
    app: Sphinx, what: str, name: str, obj: Any, options: Any, lines: list[str]
) -> None:
    """Make reStructuredText of a docstring: plain text with fences and single backticks."""
    result, indent = [], ""
    for line in lines:
        if FENCE.match(line.strip()):
            result += [] if indent else ["::", ""]
            indent = "" if indent else "    "
        elif indent or line.lstrip().startswith((">>>", "...")):
            result.append(indent + line)
        else:
            result.append(ASTERISK.sub(lambda found: found[1] or r"\*", line))
    lines[:] = result


def dashes(app: Sphinx, document: nodes.document) -> None:
    """Put a dash between the name of a parameter and its description."""
    for text in list(document.findall(nodes.Text)):
        if text == " -- ":
            text.parent.replace(text, nodes.Text(" \N{EN DASH} "))


def setup(app: Sphinx) -> None:
    app.connect("doctree-read", dashes)
    app.connect("autodoc-process-docstring", plain_docstring, priority=100)  # before napoleon
