"""Configurations refuse what cannot be, and survive JSON and TOML."""

import pytest

from atarigan.config.recipes import load_recipe, parse_recipe, recipe_summaries
from atarigan.config.run_config import RunConfig
from atarigan.data.sample_spec import SampleSpec
from atarigan.data.sources import SOURCES
from atarigan.errors import InputError
from atarigan.files import typed_json
from atarigan.images.pixels import FrameFormat
from atarigan.models.families import NETWORKS
from atarigan.models.model_config import ModelConfig
from atarigan.train import parse
from atarigan.training.objectives import OBJECTIVES
from atarigan.training.penalties import PENALTIES


@pytest.mark.parametrize(
    ("setting", "value", "rule"),
    [
        ("batch_size", 0, "at least 1"),
        ("critic_steps", 0, "at least 1"),
        ("penalty_every", 0, "at least 1"),
        ("max_minutes", -1.0, "at least 0"),
        ("max_minutes", float("nan"), "at least 0"),
        ("seed", -1, "at least 0"),
        ("critic_lr", 0.0, "between 0 and 1"),
        ("beta2", 1.0, "below 1"),
        ("final_lr", 0.0, "above 0"),
    ],
)
def test_values_out_of_range_are_named(setting, value, rule):
    with pytest.raises(
        InputError, match=rf"--{setting.replace('_', '-')} must be .*{rule}.*{value}"
    ):
        RunConfig(**{setting: value})


@pytest.mark.parametrize(
    "sample",
    [
        SampleSpec((2,)),
        SampleSpec((3, 210, 160), FrameFormat("rgb", 210, 160)),
        SampleSpec((1, 84, 84), FrameFormat("gray", 84, 84), condition_shape=(128,)),
    ],
)
def test_json_round_trip(tmp_path, sample):
    model = ModelConfig(RunConfig(batch_size=7, data="somewhere", max_minutes=1.5), sample)
    typed_json.write_json(tmp_path / "config.json", model)
    assert typed_json.read_json(tmp_path / "config.json", ModelConfig) == model


@pytest.mark.parametrize("name", recipe_summaries())
def test_recipes_say_what_they_are_for_and_name_parts_that_exist(name):
    assert recipe_summaries()[name].endswith(".")
    config = load_recipe(name)
    assert config.source in SOURCES
    assert config.network in NETWORKS
    assert config.objective in OBJECTIVES
    assert config.penalty in PENALTIES


def test_settings_may_have_their_former_names():
    assert typed_json.from_dict(RunConfig, {"momentum": 0.5}, "config.json") == RunConfig(beta1=0.5)
    assert parse_recipe("momentum = 0.5", "recipe").beta1 == 0.5
    with pytest.raises(InputError, match="config.json: unknown setting 'momentum'"):
        typed_json.from_dict(RunConfig, {"momentum": 0.5, "beta1": 0.5}, "config.json")


@pytest.mark.parametrize("words", [["--beta1", "0.5"], ["--momentum", "0.5"], ["--momentum=0.5"]])
def test_flags_may_have_their_former_names(words):
    assert parse(["--out", "run", *words]).run.beta1 == 0.5
