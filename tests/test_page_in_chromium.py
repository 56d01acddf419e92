"""Pages in Chromium, from disk: frames to the pixel, keys, touch, bytes, sliders, themes."""

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from atarigan import FrameGenerator, export
from atarigan.envs import DreamEnv
from atarigan.errors import InputError
from atarigan.models.dream_frames import frames_of
from examples import play_page

pytest.importorskip("playwright")
pytestmark = [
    pytest.mark.slow,  # starts browsers
    pytest.mark.skipif(play_page.find_chromium() is None, reason="there is no Chromium"),
]
PHONE = {"viewport": {"width": 390, "height": 844}, "has_touch": True, "is_mobile": True}
KEYS = {"RIGHT": "ArrowUp", "LEFT": "KeyS", "FIRE": "Space"}
NUM_DIFFERENT = """([latents, rams, expected]) => {
  const { generator } = atarigan.app;
  const bytes = Uint8Array.from(atob(expected), (letter) => letter.charCodeAt(0));
  let num = 0;
  latents.forEach((latent, number) => {
    const pixels = generator.frame(Float64Array.from(latent), Uint8Array.from(rams[number]));
    const begin = (number * pixels.length * 3) / 4;
    for (let place = 0; place < pixels.length; place++) {
      if (place % 4 < 3) num += pixels[place] !== bytes[begin + 3 * (place >> 2) + (place % 4)];
    }
  });
  return num;
}"""
SHOWN = """() => {
  const canvas = document.getElementById("screen");
  const { data } = canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height);
  return [...data];
}"""


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with pages of shipped games."""
    folder = tmp_path_factory.mktemp("pages")
    for name in ("pong", "breakout", "tennis", "seaquest"):
        assert export.main(["--run", name, "--out", str(folder / f"{name}.html")]) == 0
    return folder


@pytest.fixture
def pong(pages: Path) -> Iterator[Any]:
    with play_page.opened(pages / "pong.html") as page:
        page.evaluate("atarigan.app.controls.onPress = () => {}")  # steps are taken with a key
        yield page


def shown(page: Any) -> Any:
    """The frame on the screen, RGB uint8 (84, 84, 3)."""
    return np.array(page.evaluate(SHOWN), np.uint8).reshape(84, 84, 4)[..., :3]


def ram_of(page: Any) -> Any:
    return np.array(page.evaluate("[...atarigan.app.world.ram]"), np.uint8)


def drawn(name: str, ram: Any) -> Any:
    generator = FrameGenerator.load(name, "cpu")
    return generator.frame_format.to_rgb(frames_of(generator, ram[None]))[0]


@pytest.mark.parametrize("name", ["pong", "breakout", "tennis", "seaquest"])
def test_frames_are_those_of_python(pages: Path, name: str) -> None:
    generator = FrameGenerator.load(name, "cpu")
    latents = generator.latents(300, seed=3)
    states = generator.states(latents)
    expected = generator.frame_format.to_rgb(generator.decode(latents, states))
    question = [latents.tolist(), states.tolist(), base64.b64encode(expected.tobytes()).decode()]
    with play_page.opened(pages / f"{name}.html") as page:
        # torch's float32 sums may decide otherwise in one pixel in a million
        assert page.evaluate(NUM_DIFFERENT, question) <= 3 * 300 * 84 * 84 // 1_000_000


def test_keys_play_the_game_of_the_seed(pong: Any) -> None:
    env = DreamEnv("pong", obs_type="ram")
    meanings = env.get_action_meanings()
    env.reset(seed=7)
    pong.fill("#seed", "7")
    pong.press("#seed", "Enter")
    pong.click("h1")
    score = 0.0
    for name in np.random.default_rng(0).choice([*KEYS, "NOOP"], 60).repeat(3):
        if name in KEYS:
            pong.keyboard.down(KEYS[name])
        pong.keyboard.press("n")
        if name in KEYS:
            pong.keyboard.up(KEYS[name])
        _, reward, _, _, info = env.step(meanings.index(name))
        score += reward
        np.testing.assert_array_equal(ram_of(pong), info["ram"])
    assert score != 0
    assert pong.inner_text("#score") == f"{score:g}"
    assert pong.inner_text("#steps") == "180"
    np.testing.assert_array_equal(shown(pong), drawn("pong", ram_of(pong)))


def test_a_changed_byte_is_seen_at_once_and_undone(pong: Any) -> None:
    for _ in range(40):
        pong.click("#step")
    before, ram = shown(pong), ram_of(pong)
    pong.locator("label:has(span:text-is('49')) input").fill("150")
    ram[49] = 150
    np.testing.assert_array_equal(ram_of(pong), ram)
    np.testing.assert_array_equal(shown(pong), drawn("pong", ram))
    assert (shown(pong) != before).any()
    pong.locator(".chosen input[type=range]").fill("100")
    assert ram_of(pong)[49] == 100
    pong.click("#undo")
    np.testing.assert_array_equal(shown(pong), before)


def test_sliders_draw_states(pong: Any) -> None:
    pong.click("#latents summary")
    sliders = pong.locator("#sliders input")
    sliders.nth(9).fill("1.25")
    latents = np.array([pong.evaluate("[...atarigan.app.latents.values]")], np.float32)
    assert latents[0, 9] == 1.25
    generator = FrameGenerator.load("pong", "cpu")
    np.testing.assert_array_equal(ram_of(pong), generator.states(latents)[0])


def test_touch_moves_the_paddle(pages: Path) -> None:
    with play_page.opened(pages / "pong.html", **PHONE) as page:
        page.evaluate("atarigan.app.controls.onPress = () => {}")
        places = []
        for name in ("up", "down"):
            button = page.locator(f"[data-hold='{name}']")
            assert button.is_visible()
            button.dispatch_event("pointerdown")
            for _ in range(8):
                page.tap("#step")
            button.dispatch_event("pointerup")
            places.append(int(ram_of(page)[51]))
        assert places[0] < places[1] - 20
        assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_it_plays_in_real_time_until_it_is_paused(pages: Path) -> None:
    with play_page.opened(pages / "pong.html") as page:
        page.keyboard.press("ArrowUp")
        page.wait_for_function("atarigan.app.world.numSteps > 20")
        page.keyboard.press("p")
        assert page.inner_text("#play") == "Play"
        num_steps = page.evaluate("atarigan.app.world.numSteps")
        page.evaluate("new Promise(requestAnimationFrame)")
        assert page.evaluate("atarigan.app.world.numSteps") == num_steps


def test_a_game_that_is_over_says_so_and_begins_again(pong: Any) -> None:
    score = pong.evaluate(
        "() => { const { world } = atarigan.app; while (!world.isOver) world.step(0);"
        "atarigan.app.redraw(); return world.score; }"
    )
    assert pong.inner_text("#message") == f"Game over: {score}"
    pong.click("#step")
    assert pong.inner_text("#steps") == "0"


def test_a_page_without_a_dream_says_that_it_cannot_be_played(pages: Path) -> None:
    with play_page.opened(pages / "tennis.html") as page:
        assert "not played" in page.inner_text("#about")
        first = shown(page)
        np.testing.assert_array_equal(first, drawn_as_shown(page, "tennis"))
        page.click("#reset")
        assert (shown(page) != first).any()
        page.click("#play")
        page.wait_for_function("atarigan.app.world.numSteps > 3")


def drawn_as_shown(page: Any, name: str) -> Any:
    """The frame of the page's latents and RAM, by Python."""
    generator = FrameGenerator.load(name, "cpu")
    latents = np.array([page.evaluate("[...atarigan.app.latents.values]")], np.float32)
    frames = generator.decode(latents, ram_of(page)[None])
    return generator.frame_format.to_rgb(frames)[0]


@pytest.mark.parametrize("scheme", ["dark", "light"])
def test_a_page_asks_for_nothing_and_follows_the_theme(pages: Path, scheme: str) -> None:
    with play_page.opened(pages / "pong.html", color_scheme=scheme) as page:
        heard: list[str] = []
        page.on("request", lambda request: heard.append(request.url))
        page.on("console", lambda message: heard.append(message.text))
        page.on("pageerror", lambda error: heard.append(str(error)))
        page.reload()
        page.wait_for_selector("body.ready")
        page.click("#play")
        page.wait_for_function("atarigan.app.world.numSteps > 3")
        assert heard == [(pages / "pong.html").as_uri()]
        color = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert (sum(map(int, color[4:-1].split(","))) < 200) == (scheme == "dark")


def test_a_scripted_player_plays_with_keys(
    pages: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = tmp_path / "page.png"
    words = ["--page", str(pages / "pong.html"), "--seconds", "3", "--screenshot", str(picture)]
    assert play_page.main(words) == 0
    size, played = capsys.readouterr().out.splitlines()
    assert size.startswith("pong.html: 1.9")
    assert played.startswith("3 s of play, ")
    assert picture.stat().st_size > 10_000


def test_what_cannot_be_played_is_named(
    pages: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pong, other = str(pages / "pong.html"), tmp_path / "other.html"
    other.write_text("<!DOCTYPE html><title>Another page</title>")
    with pytest.raises(InputError, match="--page must be a page of atarigan.export, and "):
        play_page.main(["--page", str(other)])
    with pytest.raises(InputError, match="--keys must be names of keys or none, not 'Up'"):
        play_page.main(["--page", pong, "--keys", "Up", "none"])
    monkeypatch.setenv(play_page.CHROMIUM, str(tmp_path / "nowhere"))
    with pytest.raises(InputError, match="ATARIGAN_CHROMIUM must be a file, and "):
        play_page.main(["--page", pong])
