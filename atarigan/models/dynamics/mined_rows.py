"""MinedRows: what trees were fitted to, from which the same trees can be fitted again."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple, Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save_file

from atarigan.errors import InputError
from atarigan.files import atomic
from atarigan.models.dynamics.byte_grids import Grids
from atarigan.models.dynamics.change_groups import NO_GROUP, Groups, no_groups
from atarigan.models.dynamics.features import Feature, Kind, RegisterLayout, Rows, are_valid
from atarigan.models.dynamics.formulas import Formula, Formulas
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.labels import MOST_FORMULAS, NUM_CODES
from atarigan.models.dynamics.table_checks import check_range, check_shapes
from atarigan.models.dynamics.tables_file import read_tables
from atarigan.models.dynamics.tree_tables import HEADS, LATER_NAMES, Coding

_DTYPES: dict[str, type] = {
    "addresses": np.int32,
    "codings": np.uint8,
    "num_formulas": np.int32,
    "expected_codes": np.uint8,
    "groups": np.int16,
    "rewards": np.float32,
    "features": np.uint16,
    "num_features": np.int32,
    "rows": np.int64,
    "num_rows": np.int32,
}
_NOT_NEGATIVE = ("addresses", "num_formulas", "num_features", "rows", "num_rows")
_LATER = ("num_formulas", "expected_codes", "groups", *LATER_NAMES)


class RowsOfTree(NamedTuple):
    """The features of a tree, and the transitions it was fitted to, int64 (rows,)."""

    features: list[Feature]
    rows: Rows


@dataclass(frozen=True, eq=False)
class MinedRows:
    """The features and transitions of T trees of bytes and those of the heads, in order.

    Attributes:
        addresses: of the bytes, int32 (T,).
        codings: of the bytes, uint8 (T,).
        formulas: those of each byte's tree, one after the other.
        num_formulas: of each byte's tree, int32 (T,).
        expected_codes: which codes leaves are expected to hold, as bits, uint8 (T, 32).
        groups: of the bytes, as in `TreeTables`, int16 (T,).
        grids, arrays: of the bytes, as in `TreeTables`.
        rewards: the different rewards, float32 (R,).
        features: of all trees, one after the other, uint16 (F, 3).
        num_features: of each tree, int32 (T + heads,).
        rows: transitions that each tree was fitted to, one after the other, int64 (sum,).
        num_rows: of each tree, int32 (T + heads,); 0 for a tree that is not fitted yet.

    Raises:
        InputError: sizes do not agree, or something is out of range.
    """

    addresses: npt.NDArray[np.int32]
    codings: npt.NDArray[np.uint8]
    formulas: Formulas
    num_formulas: npt.NDArray[np.int32]
    expected_codes: npt.NDArray[np.uint8]
    groups: Groups
    grids: Grids
    arrays: IndexedArrays
    rewards: npt.NDArray[np.float32]
    features: npt.NDArray[np.uint16]
    num_features: npt.NDArray[np.int32]
    rows: Rows
    num_rows: npt.NDArray[np.int32]

    def __post_init__(self) -> None:
        num_varying = self.addresses.size
        num_trees = num_varying + len(HEADS)
        shapes = {
            "addresses": (num_varying,),
            "codings": (num_varying,),
            "num_formulas": (num_varying,),
            "expected_codes": (num_varying, NUM_CODES // 8),
            "groups": (num_varying,),
            "rewards": (self.rewards.size,),
            "features": (self.features.size // 3, 3),
            "num_features": (num_trees,),
            "rows": (self.rows.size,),
            "num_rows": (num_trees,),
        }
        check_shapes(self, _DTYPES, shapes)
        for name in _NOT_NEGATIVE:
            table = getattr(self, name)
            if (table < 0).any():
                raise InputError(f"{name} must be at least 0, not {table.min()}")
        for name in ("formulas", "features", "rows"):
            found, expected = len(getattr(self, name)), int(getattr(self, f"num_{name}").sum())
            if found != expected:
                raise InputError(f"num_{name} must add up to {found}, not {expected}")
        check_range("num_formulas", self.num_formulas, MOST_FORMULAS + 1)
        check_range("codings", self.codings, len(Coding))
        check_range("groups", self.groups, len(self.groups), NO_GROUP)
        self.grids.check_bytes(len(self.addresses))
        self.arrays.check_bytes(len(self.addresses))

    @classmethod
    def of(
        cls,
        *,
        addresses: Sequence[int],
        codings: Sequence[Coding],
        formulas: Sequence[Sequence[Formula]],
        are_expected: Sequence[npt.NDArray[np.bool_]],
        groups: Groups,
        grids: Grids,
        arrays: IndexedArrays,
        rewards: npt.NDArray[np.float32],
        trees: Sequence[RowsOfTree | None],
    ) -> Self:
        """Join what each tree was fitted to; None for trees that are not fitted yet.

        Args:
            addresses, codings, groups, grids, arrays, rewards: as the attributes.
            formulas: of each byte's tree.
            are_expected: which codes leaves are expected to hold, bool (256,) of each byte.
            trees: of the bytes, then of the heads.
        """
        known = [RowsOfTree([], np.zeros(0, np.int64)) if each is None else each for each in trees]
        features = [feature for each in known for feature in each.features]
        return cls(
            addresses=np.array(addresses, np.int32),
            codings=np.array(codings, np.uint8),
            formulas=Formulas.of([formula for each in formulas for formula in each]),
            num_formulas=np.array(list(map(len, formulas)), np.int32),
            expected_codes=np.packbits(
                np.array(are_expected, np.bool_).reshape(-1, NUM_CODES), axis=1
            ),
            groups=groups,
            grids=grids,
            arrays=arrays,
            rewards=rewards,
            features=np.array(features, np.uint16).reshape(-1, 3),
            num_features=np.array([len(each.features) for each in known], np.int32),
            rows=np.concatenate([each.rows for each in known]),
            num_rows=np.array([len(each.rows) for each in known], np.int32),
        )

    def trees(self) -> list[RowsOfTree | None]:
        """Return what each tree was fitted to."""
        features = [Feature(Kind(kind), *numbers) for kind, *numbers in self.features.tolist()]
        of_trees = _parted(features, self.num_features)
        rows = np.split(self.rows, np.cumsum(self.num_rows)[:-1])
        pairs = zip(of_trees, rows, strict=True)
        return [RowsOfTree(of_tree, each) if len(each) else None for of_tree, each in pairs]

    def formulas_of_bytes(self) -> list[list[Formula]]:
        """Return the formulas of each byte's tree; their operands must be valid."""
        return _parted(self.formulas.each(), self.num_formulas)

    def are_expected(self) -> list[npt.NDArray[np.bool_]]:
        """Return which codes leaves are expected to hold, bool (256,) of each byte."""
        return list(np.unpackbits(self.expected_codes, axis=1) > 0)

    def check(self, num_transitions: int, num_bytes: int, num_inputs: int) -> None:
        """Raise InputError unless it is of so many transitions at least, of bytes and inputs."""
        layout = RegisterLayout.of(
            len(self.addresses), num_inputs, self.groups, self.grids, self.arrays
        )
        layout.check()
        self.formulas.check(layout)
        of_bytes = np.repeat(np.arange(len(self.addresses)), self.num_formulas)
        if (self.formulas.last_next_bytes(self.arrays) >= of_bytes).any():
            raise InputError("formulas must read next values of earlier bytes alone")
        if len(self.rows) and self.rows.max() >= num_transitions:
            raise InputError(f"rows must be below {num_transitions}, not {self.rows.max()}")
        check_range("addresses", self.addresses, num_bytes)
        if len(np.unique(self.addresses)) < len(self.addresses):
            raise InputError("addresses must be different")
        if len(self.features) and not are_valid(self.features, layout):
            raise InputError("features must read bytes and inputs that there are")

    def save(self, path: Path) -> None:
        """Write a file."""
        with atomic.new_file(path) as temporary:
            tables = {name: np.ascontiguousarray(getattr(self, name)) for name in _DTYPES}
            stored = self.grids.stored() | self.arrays.stored() | self.formulas.stored()
            save_file(tables | stored, temporary)

    @classmethod
    def load(cls, path: Path) -> Self:
        """Read a file.

        Raises:
            FileNotFoundError: it is missing.
            InputError: it is damaged.
        """
        tables = read_tables(path, _DTYPES, later=_LATER)
        num = tables["addresses"].size
        tables.setdefault("groups", no_groups(num))
        tables.setdefault("num_formulas", np.zeros(num, np.int32))
        tables.setdefault("expected_codes", np.full((num, NUM_CODES // 8), 255, np.uint8))
        try:
            return cls(
                grids=Grids.from_stored(tables),
                arrays=IndexedArrays.from_stored(tables),
                formulas=Formulas.from_stored(tables),
                **tables,
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def _parted(values: list[Any], nums: npt.NDArray[np.int32]) -> list[list[Any]]:
    ends = np.cumsum(nums).tolist()
    return [values[end - num : end] for end, num in zip(ends, nums.tolist(), strict=True)]
