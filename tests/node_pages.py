"""Runs the script of an exported page in node: the same code and model as in a browser."""

import json
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Any

import pytest

NODE = shutil.which("node")

_PROGRAM = """
const [modelFile, inputFile, outputFile] = process.argv.slice(2);
const { readFileSync, writeFileSync } = require("fs");
(async () => {
  const tables = await atarigan.unpacked(readFileSync(modelFile, "utf8"));
  const answer = %s;
  writeFileSync(outputFile, JSON.stringify(answer(tables, JSON.parse(readFileSync(inputFile)))));
})();
"""

FRAMES = """(tables, { latents, rams, labels }) => {
  const generator = new atarigan.Generator(tables);
  return latents.map((latent, number) => {
    const ram = rams ? Uint8Array.from(rams[number]) : null;
    return Array.from(generator.frame(Float64Array.from(latent), ram, labels?.[number]));
  });
}"""
STATES = """(tables, latents) => {
  const generator = new atarigan.Generator(tables);
  return latents.map((latent) => Array.from(generator.state(Float64Array.from(latent))));
}"""
GAME = """(tables, { seed, actions }) => {
  const game = new atarigan.DreamGame(tables);
  game.reset(BigInt(seed));
  return actions.map((action) => {
    const reward = game.step(action);
    const found = [reward, +game.isOver, game.lives, +game.isUnseen, ...game.ram];
    if (game.isOver) game.reset();
    return found;
  });
}"""


def answer_of(page: Path, function: str, question: Any) -> Any:
    """What a JavaScript function of the page's tables and a question returns, by way of JSON."""
    if NODE is None:
        pytest.skip("there is no node")
    html = page.read_text(encoding="utf-8")
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("page.js", "model", "question", "answer")]
        files[0].write_text(part_of(html, "code") + _PROGRAM % function, encoding="utf-8")
        files[1].write_text(part_of(html, "model"), encoding="utf-8")
        files[2].write_text(json.dumps(question), encoding="utf-8")
        subprocess.run([NODE, *map(str, files)], check=True, timeout=300)
        return json.loads(files[3].read_text(encoding="utf-8"))


def part_of(html: str, name: str) -> str:
    """The content of a script of the page."""
    found = re.search(rf'<script id="{name}"[^>]*>(.*?)</script>', html, re.S)
    assert found is not None
    return found[1]
