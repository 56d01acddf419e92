"""CodeUse: how much of a learned code is used."""

import math
from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt


@dataclass(frozen=True)
class CodeUse:
    """How much of a code is used by some moments.

    Attributes:
        num_bytes: bytes of a code.
        words_used: share of the bytes' possible values that occur, averaged over the places of the
            code, 0 to 1. In frames of few moments it is low where little changes.
        bits: sum over the places of the empirical entropy of a byte, -Σ p log2 p: what the code
            carries at most.
        bits_at_most: the same if all values were equally frequent.
        places_constant: places whose byte is always the same.
    """

    num_bytes: int
    words_used: float
    bits: float
    bits_at_most: float
    places_constant: int

    @classmethod
    def of(cls, codes: npt.NDArray[np.uint8], num_words: int) -> Self:
        """Measure codes uint8 (N, size), N at least 1, of bytes with `num_words` values."""
        counts = [np.unique(column, return_counts=True)[1] for column in codes.T]
        shares = [count / len(codes) for count in counts]
        return cls(
            num_bytes=codes.shape[1],
            words_used=round(float(np.mean([len(each) / num_words for each in counts])), 4),
            bits=round(sum(float(-(each * np.log2(each)).sum()) for each in shares), 1),
            bits_at_most=round(codes.shape[1] * math.log2(num_words), 1),
            places_constant=sum(len(each) == 1 for each in counts),
        )

    def __str__(self) -> str:
        num = self.places_constant
        constant = f", {num} byte{'s' * (num != 1)} constant" if num else ""
        return (
            f"code of {self.num_bytes} bytes: {self.bits:.0f} of {self.bits_at_most:.0f} bits "
            f"carried, {self.words_used:.0%} of the values of a byte used{constant}"
        )
