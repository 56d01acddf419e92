"""The tables of all trees of a model, as they are stored and checked.

```
FOLDER/
  dynamics.json        version of the format, numbers of bytes and inputs
  trees.safetensors    the tables
```
"""

from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from typing import Self

import numpy as np
import numpy.typing as npt
from safetensors.numpy import save

from atarigan.errors import InputError
from atarigan.files import atomic, typed_json
from atarigan.files.untrusted_paths import confined
from atarigan.models.dynamics.byte_grids import Grids
from atarigan.models.dynamics.change_groups import NO_GROUP, Groups, no_groups
from atarigan.models.dynamics.features import RegisterLayout, are_valid, last_next_byte
from atarigan.models.dynamics.formulas import FIRST_FORMULA, Formulas
from atarigan.models.dynamics.indexed_arrays import IndexedArrays
from atarigan.models.dynamics.table_checks import check_range, check_shapes
from atarigan.models.dynamics.tables_file import read_tables

SETTINGS_FILE = "dynamics.json"
TREES_FILE = "trees.safetensors"
HEADS = ("reward", "end", "lives")
LATER_NAMES = [name for each in (Grids, IndexedArrays, Formulas) for name in each.stored_names()]
_LARGEST = 4096  # bytes or inputs


class Coding(IntEnum):
    """What the leaves of a byte's tree hold that are no formulas."""

    VALUE = 0  # the next value
    DIFFERENCE = 1  # the next value minus the present one, modulo 256
    XOR = 2  # the bits that change

    def codes(
        self, present: npt.NDArray[np.uint8], following: npt.NDArray[np.uint8]
    ) -> npt.NDArray[np.uint8]:
        """Return what leaves hold that give these next values, uint8 (N,)."""
        if self is Coding.DIFFERENCE:
            return following - present
        return following ^ present if self is Coding.XOR else following.copy()


@dataclass(frozen=True)
class _Settings:
    num_bytes: int
    num_inputs: int
    format_version: int = 1


_FORMER = ("constants",)  # in files of earlier versions: what bytes that do not vary became
_DTYPES: dict[str, type] = {
    "addresses": np.int32,
    "codings": np.uint8,
    "groups": np.int16,
    "rewards": np.float32,
    "features": np.uint16,
    "sizes": np.int32,
    "node_features": np.uint16,
    "thresholds": np.int32,
    "skips": np.int32,
}


@dataclass(frozen=True, eq=False)
class TreeTables:
    """Trees of the bytes that vary, in the order in which they are predicted, and of three heads:
    the reward's class, the episode's end, and lives.

    The nodes of a tree are in preorder: a node's left child, for features up to the threshold, is
    the next node. So all children lie behind their parents, and every walk ends. All other bytes
    stay as they are.

    Attributes:
        num_bytes: bytes of a state.
        num_inputs: inputs of a frame.
        addresses: of the bytes that vary, int32 (varying,).
        codings: a `Coding` of each of them, uint8 (varying,).
        groups: the group of each of them, -1 for none, int16 (varying,); features count the members
            that change.
        grids: of some of these bytes, which are numbered in this order.
        arrays: the same.
        formulas: of some leaves, whose operands are of these bytes or arrays.
        rewards: reward of each class, float32 (classes,).
        features: kind, first and second number of each `Feature`, uint16 (features, 3).
        sizes: number of nodes of each tree, at least 1, int32 (varying + 3,).
        node_features: feature of each node; of a leaf, 0, uint16 (nodes,).
        thresholds: threshold of each node; of a leaf, what it predicts, or 256 plus the number of
            a formula, int32 (nodes,).
        skips: how many nodes further the right child is; 0 for a leaf, int32 (nodes,).

    Raises:
        InputError: a table breaks one of these rules.
    """

    num_bytes: int
    num_inputs: int
    addresses: npt.NDArray[np.int32]
    codings: npt.NDArray[np.uint8]
    groups: Groups
    grids: Grids
    arrays: IndexedArrays
    formulas: Formulas
    rewards: npt.NDArray[np.float32]
    features: npt.NDArray[np.uint16]
    sizes: npt.NDArray[np.int32]
    node_features: npt.NDArray[np.uint16]
    thresholds: npt.NDArray[np.int32]
    skips: npt.NDArray[np.int32]

    @property
    def layout(self) -> RegisterLayout:
        num_varying = len(self.addresses)
        return RegisterLayout.of(num_varying, self.num_inputs, self.groups, self.grids, self.arrays)

    def __post_init__(self) -> None:
        self._check_shapes()
        self._check_values()
        self._check_nodes()

    def _check_shapes(self) -> None:
        num_varying, num_nodes = self.addresses.size, self.skips.size
        shapes = {
            "addresses": (num_varying,),
            "codings": (num_varying,),
            "groups": (num_varying,),
            "rewards": (self.rewards.size,),
            "features": (self.features.size // 3, 3),
            "sizes": (num_varying + len(HEADS),),
            "node_features": (num_nodes,),
            "thresholds": (num_nodes,),
            "skips": (num_nodes,),
        }
        check_shapes(self, _DTYPES, shapes)

    def _check_values(self) -> None:
        for name, number in (("bytes", self.num_bytes), ("inputs", self.num_inputs)):
            if not 0 <= number <= _LARGEST:
                raise InputError(f"there must be 0 to {_LARGEST} {name}, not {number}")
        check_range("addresses", self.addresses, self.num_bytes)
        if len(np.unique(self.addresses)) < len(self.addresses):
            raise InputError("addresses must differ from each other")
        check_range("codings", self.codings, len(Coding))
        check_range("groups", self.groups, len(self.groups), NO_GROUP)
        self.grids.check_bytes(len(self.addresses))
        self.arrays.check_bytes(len(self.addresses))
        if not np.isfinite(self.rewards).all():
            raise InputError("rewards must be finite")
        self.layout.check()
        if not are_valid(self.features, self.layout):
            raise InputError("features must be of known kinds, with numbers in range")
        self.formulas.check(self.layout)

    def _check_nodes(self) -> None:
        if (self.sizes < 1).any() or self.sizes.sum(dtype=np.int64) != len(self.skips):
            raise InputError(
                f"sizes must be at least 1 and add up to {len(self.skips)} nodes, "
                f"not to {self.sizes.sum(dtype=np.int64)}"
            )
        ends = np.repeat(self.sizes.cumsum(), self.sizes)
        trees = np.repeat(np.arange(len(self.sizes)), self.sizes)
        inner, leaves = np.flatnonzero(self.skips), np.flatnonzero(self.skips == 0)
        skips = self.skips[inner].astype(np.int64)
        if (skips < 2).any() or (inner + skips >= ends[inner]).any():
            raise InputError("skips must lead to a later node of the same tree")
        check_range("node_features", self.node_features[inner], len(self.features))
        last = last_next_byte(self.features, self.groups, self.arrays)[self.node_features[inner]]
        if (last >= trees[inner]).any():
            raise InputError("node_features must read next values of earlier bytes alone")
        num_of_bytes = FIRST_FORMULA + len(self.formulas)
        num_values = np.array([num_of_bytes] * len(self.addresses) + [len(self.rewards), 2, 256])
        predicted = self.thresholds[leaves]
        if ((predicted < 0) | (predicted >= num_values[trees[leaves]])).any():
            raise InputError("leaves must predict a value that there is")
        is_formula = (predicted >= FIRST_FORMULA) & (trees[leaves] < len(self.addresses))
        last = self.formulas.last_next_bytes(self.arrays)[predicted[is_formula] - FIRST_FORMULA]
        if (last >= trees[leaves][is_formula]).any():
            raise InputError("formulas must read next values of earlier bytes alone")

    def save(self, folder: Path) -> None:
        """Write two files into a folder, which is made if it is missing; each atomically.

        Raises:
            OSError: the disk is full or not writable.
        """
        tables = {name: np.ascontiguousarray(getattr(self, name)) for name in _DTYPES}
        if (self.groups == NO_GROUP).all():  # a file without groups stays as it was, byte for byte
            del tables["groups"]
        tables |= self.grids.stored() | self.arrays.stored() | self.formulas.stored()
        with atomic.new_file(folder / TREES_FILE) as temporary:
            temporary.write_bytes(save(tables))
        with atomic.new_file(folder / SETTINGS_FILE) as temporary:
            typed_json.write_json(temporary, _Settings(self.num_bytes, self.num_inputs))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Read what `save` wrote.

        Raises:
            InputError: a file is missing, damaged or of another format.
        """
        path = folder / TREES_FILE
        settings = _read_settings(folder / SETTINGS_FILE, folder)
        try:
            tables = read_tables(confined(path, folder), _DTYPES, _FORMER, ("groups", *LATER_NAMES))
        except FileNotFoundError:
            raise InputError(f"{path} is missing") from None
        tables.setdefault("groups", no_groups(tables["addresses"].size))
        try:
            return cls(
                settings.num_bytes,
                settings.num_inputs,
                grids=Grids.from_stored(tables),
                arrays=IndexedArrays.from_stored(tables),
                formulas=Formulas.from_stored(tables),
                **tables,
            )
        except InputError as error:
            raise InputError(f"{path}: {error}") from None


def _read_settings(path: Path, folder: Path) -> _Settings:
    try:
        return typed_json.read_json(confined(path, folder), _Settings)
    except FileNotFoundError:
        raise InputError(f"{path} is missing") from None
