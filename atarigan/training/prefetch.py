"""Reading ahead: what comes next is made while a device works on what came before."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TypeVar

T = TypeVar("T")


def prefetched(items: Iterator[T], num_ahead: int = 4) -> Iterator[T]:
    """The same items in the same order, up to `num_ahead` of them read ahead by one thread; what
    reading raises is raised where its item would come.
    """
    end = object()
    reader = ThreadPoolExecutor(1, thread_name_prefix="prefetch")
    try:
        ahead = deque(reader.submit(next, items, end) for _ in range(num_ahead))
        while (item := ahead.popleft().result()) is not end:
            ahead.append(reader.submit(next, items, end))
            yield item  # type: ignore[misc]
    finally:
        reader.shutdown(cancel_futures=True)
