"""The HTML page: order of its parts, escaping, embedded pictures."""

import numpy as np
import pytest

from atarigan.pictures import grids
from atarigan.pictures.page import Page


def test_a_page_holds_all_parts_in_order_and_escaped(tmp_path):
    picture = np.zeros((4, 5, 3), np.uint8)
    grids.save_picture(tmp_path / "a.png", picture)
    page = Page("Run <1>", "as $configured & more")
    page.figures({"images": "1,000"})
    page.picture("First", picture, "a <note>")
    page.picture("Second", tmp_path / "a.png")
    page.table(("name", "value"), [("x<y", "3")])
    page.settings({"facts": [("seed", 0)]})
    page.code("a && b")
    page.write(tmp_path / "page.html")
    html = (tmp_path / "page.html").read_text()
    parts = ["Run &lt;1&gt;", "as $configured &amp; more", "1,000", "First", "a &lt;note&gt;"]
    parts += ["Second", "x&lt;y", "seed", "a &amp;&amp; b"]
    places = [html.index(part) for part in parts[1:]]
    assert parts[0] in html
    assert places == sorted(places)
    assert html.count("data:image/png;base64,") == 2
    assert [path.name for path in tmp_path.glob("*.html")] == ["page.html"]


def test_a_picture_file_of_unknown_type_is_named(tmp_path):
    (tmp_path / "a.txt").write_text("x")
    with pytest.raises(KeyError, match="txt"):
        Page("a", "b").picture("c", tmp_path / "a.txt")
