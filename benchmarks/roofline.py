"""How fast a device could be at best: its measured rates, and what work needs of them.

No program computes faster than the device multiplies, nor than its memory gives what is read at
least once and takes what is written: the roofline model (Williams, Waterman and Patterson 2009,
Communications of the ACM 52(4), section 3).
"""

import statistics
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.utils.flop_counter import FlopCounterMode

from benchmarks.measurement import Case, Stopwatch, Timings
from benchmarks.report import Row, interquartile_range, rate_rows

COPY, PRODUCT = "copy within the memory", "matrix product"
_GIGA, _TERA = 1e9, 1e12
_LAYERS = (nn.Linear, nn.Conv2d, nn.ConvTranspose2d)


@dataclass(frozen=True)
class Work:
    """What some work needs at least.

    Attributes:
        num_rows: rows of its batch: frames.
        num_flops: floating-point operations of its matrix products and convolutions.
        num_bytes: bytes of its inputs and results and of the weights of layers, which are read at
            least once; of tables only a part is.
    """

    num_rows: int
    num_flops: float
    num_bytes: float


@dataclass(frozen=True)
class Roofline:
    """The rates of a device.

    Attributes:
        bytes_per_s: that a copy reads and writes.
        flops_per_s: of a matrix product of float32.
        relative_spread: interquartile range of the slower measurement over its median.
    """

    bytes_per_s: float
    flops_per_s: float
    relative_spread: float

    @classmethod
    def of(cls, timings: Timings) -> "Roofline":
        """Take the rates from the timings of `limit_cases`."""
        rates = [[1 / each for each in timings[name]] for name in (COPY, f"{PRODUCT}, fp32")]
        medians = [statistics.median(each) for each in rates]
        spreads = [
            interquartile_range(each) / median for each, median in zip(rates, medians, strict=True)
        ]
        return cls(medians[0] * _GIGA, medians[1] * _TERA, max(spreads))

    def rows_per_s(self, work: Work) -> float:
        """Rows a second at best."""
        seconds = max(work.num_bytes / self.bytes_per_s, work.num_flops / self.flops_per_s)
        return work.num_rows / seconds


def limit_cases(stopwatch: Stopwatch) -> list[Case]:
    """A copy in GB/s, read and written, and matrix products in TFLOP/s."""
    on_gpu = stopwatch.device == "cuda"
    size = stopwatch.sized(full=500_000_000 if on_gpu else 100_000_000, quick=5_000_000)
    source = torch.zeros(size, dtype=torch.uint8, device=stopwatch.device)
    target = torch.empty_like(source)
    cases = [Case(COPY, 2 * size / _GIGA, lambda: target.copy_(source))]
    side = stopwatch.sized(full=8192 if on_gpu else 1024, quick=256)
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        left, right = (torch.randn(side, side, device=stopwatch.device).to(dtype) for _ in range(2))
        product = torch.empty_like(left)

        def multiply(left: Tensor = left, right: Tensor = right, out: Tensor = product) -> None:
            torch.mm(left, right, out=out)

        cases.append(Case(f"{PRODUCT}, {name}", 2 * side**3 / _TERA, multiply))
    return cases


def limit_rows(benchmark: str, cases: list[Case], timings: Timings) -> Iterator[Row]:
    """Rows of the rates of a device."""
    yield from rate_rows(benchmark, "GB/s", cases[:1], timings)
    yield from rate_rows(benchmark, "TFLOP/s", cases[1:], timings)


def work_of(
    function: Callable[..., Tensor], network: nn.Module, inputs: Iterable[Tensor], num_rows: int
) -> Work:
    """Count what a call of a function on a batch of that many rows needs, from a smaller one.

    Args:
        function: computes rows that do not depend on each other.
        network: whose weights it reads.
        inputs: a small batch, (B, ...) each.
        num_rows: rows of the batch.
    """
    given = list(inputs)
    with FlopCounterMode(display=False) as counter:
        result = function(*given)
    factor = num_rows / len(given[0])
    moved = sum(each.nbytes for each in (*given, result))
    layers = [each for each in network.modules() if isinstance(each, _LAYERS)]
    kept = sum(weight.nbytes for layer in layers for weight in layer.parameters())
    return Work(num_rows, counter.get_total_flops() * factor, moved * factor + kept)


def roofline_rows(rows: Iterable[Row], works: dict[str, Work], roofline: Roofline) -> Iterator[Row]:
    """For each case with known work, a row of its share of the roofline, and the roofline's."""
    done = set()
    for row in rows:
        if row.case in works and row.case not in done:
            done.add(row.case)
            name, best = f"roofline of {row.case}", roofline.rows_per_s(works[row.case])
            yield Row(
                row.benchmark, row.case, row.value, row.unit, name, row.value / best, row.spread
            )
            spread = best * roofline.relative_spread
            yield Row(row.benchmark, name, best, row.unit, spread=spread)
