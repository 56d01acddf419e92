"""Compiled code that grows a decision tree until its leaves are pure.

Splits are those of the least entropy (Quinlan 1986, "Induction of decision trees", section 4; with
binary splits at thresholds as in Breiman et al. 1984, "Classification and regression trees"). The
features are whole numbers of a few hundred values, so the transitions of a large node are counted
by value and class, and those of a small one are sorted by counting; libraries compare
floating-point numbers, which takes five to ten times as long.

Importing this module needs numba, of the extra `dream`.
"""

import numpy as np
import numpy.typing as npt

from atarigan.config.extras import compiled

Values = npt.NDArray[np.int32]
Classes = npt.NDArray[np.uint16]
Integers = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
_FEW = 24  # transitions that are sorted by insertion
_SPARSE = 16  # values for each transition above which counting takes longer than comparing
_LEAST_GAIN = 1e-9  # of the entropy; below it, features are equally good
_NUM_CLASSES = 512
_CLASS_BITS = 9  # of a packed number
BEGIN, END, KNOWN, PARENT = range(4)  # columns of what is left to do


@compiled
def sort_packed(packed: Integers, size: int, low: int, high: int, bins: Integers) -> Integers:
    """Return `size` numbers `512 * value + class` by their values, which are `low` to `high`."""
    if size <= _FEW:
        for place in range(1, size):
            number, hole = packed[place], place
            while hole and packed[hole - 1] > number:
                packed[hole] = packed[hole - 1]
                hole -= 1
            packed[hole] = number
        return packed
    num_bins = high - low + 1
    if num_bins > _SPARSE * size:
        return np.sort(packed[:size])
    bins[: num_bins + 1] = 0
    for place in range(size):
        bins[(packed[place] >> _CLASS_BITS) - low + 1] += 1
    for each in range(num_bins):
        bins[each + 1] += bins[each]
    by_value = np.empty(size, np.int64)
    for place in range(size):
        value = (packed[place] >> _CLASS_BITS) - low
        by_value[bins[value]] = packed[place]
        bins[value] += 1
    return by_value


@compiled
def best_threshold(
    by_value: Integers,
    size: int,
    totals: Integers,
    sum_of_totals: float,
    log_sums: Floats,
    left: Integers,
) -> tuple[float, int]:
    """Return the least cost of a split of sorted transitions, and its threshold.

    The cost of a split is the entropy of each side times its transitions, which is, up to a sign,
    the sum of c log c over its classes minus n log n; `log_sums` holds n log n, and `sum_of_totals`
    the sum over the classes of the node.
    """
    left[:] = 0
    left_sum, right_sum = 0.0, sum_of_totals
    least, threshold = np.inf, 0
    for place in range(size - 1):
        each = by_value[place] & (_NUM_CLASSES - 1)
        on_left = left[each]
        on_right = totals[each] - on_left
        left_sum += log_sums[on_left + 1] - log_sums[on_left]
        right_sum += log_sums[on_right - 1] - log_sums[on_right]
        left[each] = on_left + 1
        value, following = by_value[place] >> _CLASS_BITS, by_value[place + 1] >> _CLASS_BITS
        if value != following:
            cost = log_sums[place + 1] + log_sums[size - place - 1] - left_sum - right_sum
            if cost < least - _LEAST_GAIN:
                least, threshold = cost, (value + following) >> 1
    return least, threshold


@compiled
def best_of_counts(
    packed: Integers,
    size: int,
    low: int,
    high: int,
    totals: Integers,
    sum_of_totals: float,
    log_sums: Floats,
    present: Integers,
    numbers: Integers,
    left: Integers,
    bins: Integers,
) -> tuple[float, int]:
    """As `best_threshold`, of transitions in any order, by counting those of each value and class.

    Args:
        packed: `size` numbers `512 * value + class` of values from `low` to `high`.
        present: the classes of the node.
        numbers: of the classes among those.
        bins: room for a count of each value and class.
    """
    num_classes = len(present)
    bins[: (high - low + 1) * num_classes] = 0
    for place in range(size):
        value, each = packed[place] >> _CLASS_BITS, packed[place] & (_NUM_CLASSES - 1)
        bins[(value - low) * num_classes + numbers[each]] += 1
    left[:] = 0
    left_sum, right_sum = 0.0, sum_of_totals
    least, threshold = np.inf, 0
    num_left, last, split_cost = 0, low, np.inf
    for value in range(low, high + 1):
        first = (value - low) * num_classes
        num_here = 0
        for number in range(num_classes):
            count, each = bins[first + number], present[number]
            if count:
                if num_here == 0 and num_left:
                    split_cost = log_sums[num_left] + log_sums[size - num_left]
                    split_cost -= left_sum + right_sum
                    if split_cost < least - _LEAST_GAIN:
                        least, threshold = split_cost, (last + value) >> 1
                on_left = left[each]
                on_right = totals[each] - on_left
                left_sum += log_sums[on_left + count] - log_sums[on_left]
                right_sum += log_sums[on_right - count] - log_sums[on_right]
                left[each] = on_left + count
                num_here += count
        if num_here:
            num_left, last = num_left + num_here, value
    return least, threshold


@compiled
def partition(
    rows: Integers, begin: int, end: int, values: Values, threshold: int, spare: Integers
) -> int:
    """Move rows whose value is above the threshold behind the others; return the first of them."""
    middle, num_spare = begin, 0
    for place in range(begin, end):
        row = rows[place]
        if values[row] <= threshold:
            rows[middle] = row
            middle += 1
        else:
            spare[num_spare] = row
            num_spare += 1
    rows[middle:end] = spare[:num_spare]
    return middle


@compiled
def next_random(state: np.uint64) -> np.uint64:
    """Return the next number of xorshift (Marsaglia 2003, section 4), from one above 0."""
    state ^= state << np.uint64(13)
    state ^= state >> np.uint64(7)
    state ^= state << np.uint64(17)
    return state


@compiled
def grow(
    values: Values,
    classes: Classes,
    log_sums: Floats,
    seed: int,
    num_tried: int,
    nodes: npt.NDArray[np.int32],
    importances: Floats,
) -> tuple[int, int]:
    """Fill `nodes` with features, thresholds (classes in leaves) and skips, and add up
    `importances`; return the number of nodes, and of transitions in leaves of another class.

    Args:
        values: of the features, int32 (features, n).
        classes: of the transitions, below 512, uint16 (n,).
        log_sums: c log c of 0 to n, float64 (n + 1,).
        seed: of the order in which features are tried, above 0.
        num_tried: varying features that a node tries at most.
        nodes: zeros, int32 (3, 2 n - 1).
        importances: zeros, float64 (features,).
    """
    num_features, num = values.shape
    rows, spare, packed = np.arange(num), np.empty(num, np.int64), np.empty(num, np.int64)
    bins = np.empty(_SPARSE * num + 2, np.int64)
    num_classes = np.int64(classes.max()) + 1
    totals, left = np.empty(num_classes, np.int64), np.empty(num_classes, np.int64)
    present, numbers = np.empty(num_classes, np.int64), np.empty(num_classes, np.int64)
    order = np.arange(num_features)  # first the `known` ones, which do not vary in a node
    todo = np.zeros((num + 1, 4), np.int64)  # the parent is -1 for a left child
    todo[0] = (0, num, 0, -1)
    num_todo, num_nodes, num_wrong, state = 1, 0, 0, np.uint64(seed)
    while num_todo:
        num_todo -= 1
        begin, end, known, parent = todo[num_todo]
        node, size = num_nodes, end - begin
        num_nodes += 1
        if parent >= 0:
            nodes[2, parent] = node - parent
        totals[:] = 0
        for place in range(begin, end):
            totals[classes[rows[place]]] += 1
        most = totals.argmax()
        sum_of_totals, num_present = 0.0, 0
        for each in range(num_classes):
            sum_of_totals += log_sums[totals[each]]
            if totals[each]:
                present[num_present], numbers[each] = each, num_present
                num_present += 1
        least, feature, threshold = np.inf, -1, 0
        stop = num_features if totals[most] < size else 0
        last_tried = num_features - num_tried
        while known < stop and stop > last_tried:
            state = next_random(state)
            drawn = known + np.int64(state % np.uint64(stop - known))
            tried = order[drawn]
            of_tried = values[tried]
            low = high = of_tried[rows[begin]]
            for place in range(begin, end):
                row = rows[place]
                value = of_tried[row]
                packed[place - begin] = value * np.int64(_NUM_CLASSES) + classes[row]
                low, high = min(low, value), max(high, value)
            if low == high:
                order[drawn], order[known] = order[known], tried
                known += 1
                continue
            stop -= 1
            order[drawn], order[stop] = order[stop], tried
            if (high - low + 1) * num_present <= size:
                cost, found = best_of_counts(
                    packed,
                    size,
                    low,
                    high,
                    totals,
                    sum_of_totals,
                    log_sums,
                    present[:num_present],
                    numbers,
                    left,
                    bins,
                )
            else:
                by_value = sort_packed(packed, size, low, high, bins)
                cost, found = best_threshold(by_value, size, totals, sum_of_totals, log_sums, left)
            if cost < least - _LEAST_GAIN:
                least, feature, threshold = cost, tried, found
        if feature < 0:
            num_wrong += size - totals[most]
            nodes[1, node] = most
            continue
        nodes[0, node], nodes[1, node] = feature, threshold
        importances[feature] += log_sums[size] - sum_of_totals - least
        middle = partition(rows, begin, end, values[feature], threshold, spare)
        todo[num_todo] = (middle, end, known, node)
        todo[num_todo + 1] = (begin, middle, known, -1)
        num_todo += 2
    return num_nodes, num_wrong


@compiled
def descend(
    node_features: npt.NDArray[np.int32],
    thresholds: npt.NDArray[np.int32],
    skips: npt.NDArray[np.int32],
    values: Values,
    leaves: Integers,
) -> None:
    """Fill `leaves` with the node that each transition ends in."""
    for row in range(values.shape[1]):
        node = 0
        while skips[node]:
            is_right = values[node_features[node], row] > thresholds[node]
            node += skips[node] if is_right else 1
        leaves[row] = node
