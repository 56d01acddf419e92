import pytest

from atarigan.config.registry import Registry
from atarigan.errors import InputError, did_you_mean


@pytest.fixture
def losses() -> Registry[object]:
    registry: Registry[object] = Registry("loss")

    @registry.register("wasserstein")
    def wasserstein() -> None:
        """Earth mover's distance.

        More about it.
        """

    @registry.register("standard")
    def standard() -> None: ...

    return registry


def test_entries_are_found_by_name_in_order_of_registration(losses: Registry[object]) -> None:
    assert list(losses) == ["wasserstein", "standard"]
    assert losses["standard"].__name__ == "standard"  # type: ignore[attr-defined]
    assert "standard" in losses
    assert "hinge" not in losses


def test_wrong_name_is_answered_with_the_nearest_and_all(losses: Registry[object]) -> None:
    with pytest.raises(InputError) as error:
        losses["waserstein"]
    assert str(error.value) == (
        "unknown loss 'waserstein': did you mean 'wasserstein'? known: standard, wasserstein"
    )


def test_name_unlike_any_other_gets_no_suggestion(losses: Registry[object]) -> None:
    with pytest.raises(InputError, match=r"^unknown loss 'qqq': known: standard, wasserstein$"):
        losses["qqq"]


def test_second_entry_of_a_name_is_refused(losses: Registry[object]) -> None:
    with pytest.raises(KeyError, match="loss 'standard' is registered twice"):
        losses.register("standard")(object())
    assert losses["standard"].__name__ == "standard"  # type: ignore[attr-defined]


def test_summaries_are_first_lines_of_docstrings(losses: Registry[object]) -> None:
    assert losses.summaries() == {"wasserstein": "Earth mover's distance.", "standard": ""}


def test_did_you_mean_takes_any_iterable() -> None:
    names = (name for name in ("pong", "breakout"))
    assert did_you_mean("brakout", names) == "did you mean 'breakout'? known: breakout, pong"
