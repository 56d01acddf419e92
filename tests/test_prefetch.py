"""What is read ahead comes as it would without."""

import itertools
import threading
from typing import Any

import pytest

from atarigan.training.device_plan import prefetched


def test_items_come_in_order_and_end():
    assert list(prefetched(iter(range(20)))) == list(range(20))
    assert list(prefetched(iter(()))) == []


def test_no_more_is_read_than_asked_for():
    read = []
    items: Any = prefetched((read.append(item) or item for item in itertools.count()), num_ahead=3)
    assert [next(items) for _ in range(5)] == [0, 1, 2, 3, 4]
    items.close()
    assert len(read) <= 5 + 3


def test_an_error_comes_where_its_item_would():
    def items():
        yield 1
        yield 2
        raise ValueError("the third is damaged")

    ahead = prefetched(items())
    assert [next(ahead), next(ahead)] == [1, 2]
    with pytest.raises(ValueError, match="the third is damaged"):
        next(ahead)


def test_the_thread_ends_with_its_reader():
    items: Any = prefetched(itertools.count())
    next(items)
    items.close()
    assert not [each for each in threading.enumerate() if each.name.startswith("prefetch")]
