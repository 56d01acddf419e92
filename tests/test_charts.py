"""Smoothing of curves, and charts of any values."""

import numpy as np

from atarigan.pictures.charts import curves, histograms, smoothed


def test_smoothing_keeps_lines_and_reduces_noise():
    constant = np.full(200, 3.0)
    np.testing.assert_allclose(smoothed(constant), constant)
    noise = np.random.default_rng(0).standard_normal(1000)
    calm = smoothed(noise)
    assert calm.std() < 0.4 * noise.std()
    line = np.arange(1000.0)
    np.testing.assert_allclose(smoothed(line)[50:-50], line[50:-50])


def test_smoothing_ignores_values_that_are_not_finite():
    values = np.full(200, 2.0)
    values[::3] = np.nan
    values[50] = np.inf
    np.testing.assert_allclose(smoothed(values), 2.0)
    assert np.isnan(smoothed(np.full(3, np.nan))).all()


def test_curves_draw_a_panel_each():
    x = np.arange(10.0)
    one = curves(x, {"losses": {"critic": x}})
    two = curves(x, {"losses": {"critic": x}, "accuracy": {"real": x, "fake": -x}})
    assert one.dtype == np.uint8
    assert two.shape[0] == 2 * one.shape[0]
    assert curves(x[:1], {"losses": {"critic": x[:1] * np.nan}}).shape == one.shape


def test_a_histogram_without_values_is_left_out():
    some, none = np.arange(5.0), np.zeros(0)
    alone = histograms({"steps": (some, some)})
    assert np.array_equal(histograms({"steps": (some, some), "jumps": (none, none)}), alone)


def test_histograms_with_values_on_one_side_only():
    some, none = np.arange(5.0), np.zeros(0)
    pictures = [histograms({"steps": both}) for both in ((some, none), (none, some), (some, some))]
    assert len({picture.tobytes() for picture in pictures}) == 3
