"""The summary's figures are those of networks small enough to count by hand."""

import pytest

from atarigan import train
from atarigan.errors import InputError
from atarigan.models.families import NETWORKS, NetworkShape
from atarigan.models.summary import summarize


def test_an_mlp_counted_by_hand():
    shape = NetworkShape((2,), 3, generator_layers=(5,), critic_layers=(7,))
    generator, critic = summarize("mlp", shape)
    assert generator.num_parameters == (3 * 5 + 5) + (5 * 2 + 2)
    assert generator.num_flop == 2 * (3 * 5 + 5 * 2)
    assert critic.num_parameters == (2 * 7 + 7) + (7 + 1)
    assert critic.num_flop == 2 * (2 * 7 + 7)
    linear = [layer for layer in generator.layers if layer.kind == "Linear"]
    assert [(layer.output_shape, layer.num_parameters) for layer in linear] == [
        ((5,), 20),
        ((2,), 12),
    ]
    assert "32 parameters" in str(generator)


def test_a_convolution_counted_by_hand():
    _, critic = summarize("dcgan", NetworkShape((1, 8, 8), 3, critic_width=2))
    (convolution,) = (layer for layer in critic.layers if layer.kind == "Conv2d")
    assert convolution.output_shape == (2, 4, 4)
    assert convolution.num_parameters == 2 * 9 + 2
    assert critic.num_flop == 2 * (9 * 2 * 16 + 2 * 16)


@pytest.mark.parametrize("network", list(NETWORKS))
@pytest.mark.parametrize("condition_size", [0, 3])
def test_every_network_has_one(network, condition_size):
    for summary in summarize(network, NetworkShape((3, 40, 48), 8, condition_size)):
        assert summary.num_parameters > 0
        assert summary.num_flop > 0
        assert all(len(line) <= 100 for line in str(summary).splitlines())


def test_the_flag_prints_both_and_writes_nothing(capsys, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert train.main(["--recipe", "sine", "--summary"]) == 0
    printed = capsys.readouterr().out
    assert "generator of mlp: 10,502 parameters" in printed
    assert "critic of mlp: 10,501 parameters" in printed
    assert not any(tmp_path.iterdir())
    with pytest.raises(InputError, match="needs samples of shape"):
        train.main(["--recipe", "sine", "--network", "dcgan", "--summary"])
