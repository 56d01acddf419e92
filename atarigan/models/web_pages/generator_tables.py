"""The weights and tables of a generator as the JavaScript of a page reads them."""

import math
from collections.abc import Callable, Iterable
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from torch import Tensor, nn

from atarigan.errors import InputError
from atarigan.images.pixel_values import color_codes, colors_of
from atarigan.images.pixels import FrameFormat, floats_to_frames
from atarigan.models.families.codebook import CodebookGenerator
from atarigan.models.families.profiles import ProfilesGenerator
from atarigan.models.families.recolored_regions import NEAR_LEVELS
from atarigan.models.families.shifted_groups import ShiftedGroups
from atarigan.models.families.shifted_profiles import ShiftedProfilesGenerator
from atarigan.models.frame_generator import FrameGenerator
from atarigan.models.search.positions import PositionByte
from atarigan.models.state.byte_groups import ByteGroups
from atarigan.models.state.state_prior import StatePrior
from atarigan.models.state_conditioned import StateConditionedGenerator

Array = npt.NDArray[Any]
Tables = dict[str, Array]
Layer = list[Any]
STEPS = ":steps"
FAMILIES = ("codebook", "profiles", "shifted_profiles")
ABSENT = -1
_REPLACED = ("colors.", "prior.groups.", "regions.", "groups.scores", "groups.groups")
_REPLACED_NAMES = ("values", "prior", "bias", "extensions")
_MAX_INT8 = 127
_NEIGHBORS = (0, 1, -1, 2, -2)  # steps between float32 numbers


class WebModel(NamedTuple):
    """What a page runs.

    Attributes:
        settings: what JSON can hold.
        tables: arrays by name; weights have their names in checkpoints.
    """

    settings: dict[str, Any]
    tables: Tables


def generator_model(generator: FrameGenerator) -> WebModel:
    """Return a generator of one of `FAMILIES`.

    Raises:
        InputError: it is of another family, or generates points.
    """
    model, frame_format = generator.model, generator.frame_format
    module: Any = generator.network().network
    network = module.network if isinstance(module, StateConditionedGenerator) else module
    if not isinstance(network, (CodebookGenerator, ProfilesGenerator)):
        known = ", ".join(FAMILIES)
        raise InputError(f"a page runs the networks {known}, not {model.run.network}")
    if generator.state is not None and not generator.reads_ram:
        raise InputError(
            f"a page runs generators of RAM, not of a state of kind {generator.state.kind!r}"
        )
    tables = _weights(module)
    palette = PagePalette(frame_format)
    if isinstance(network, CodebookGenerator):
        tables["values"] = palette.numbers(floats_to_frames(network.values).cpu().numpy())
        tables["bias"] = _array(network.bias + network.prior)
    else:
        tables |= _palette_tables(network, palette)
    if isinstance(network, ShiftedProfilesGenerator):
        tables |= _region_tables(network, palette) | _group_tables(network.groups)
    if isinstance(module, StateConditionedGenerator) and isinstance(module.prior, StatePrior):
        tables |= _prior_tables(module.prior)
    settings = {
        "family": model.run.network,
        "height": frame_format.height,
        "width": frame_format.width,
        "latentSize": generator.latent_size,
        "networkLatents": model.run.latent_size,
        "distribution": generator.latent_distribution,
        "numClasses": generator.num_classes,
        "numBytes": math.prod(model.sample.condition_shape or ()) if generator.reads_ram else 0,
        "mix": _layers(network.mix, "mix"),
        "scale": float(np.float32(network.scale)),
        "takesState": isinstance(network, ShiftedProfilesGenerator) and network.takes_state,
    }
    return WebModel(settings, tables | {"colors": palette.rgb()})


class PagePalette:
    """Numbers the colors of a page's frames."""

    def __init__(self, frame_format: FrameFormat) -> None:
        self._format = frame_format
        self._number_of: dict[int, int] = {}

    def numbers(self, colors: Array) -> Array:
        """Return the numbers of colors uint8 (..., C), unsigned (...)."""
        codes, places = np.unique(color_codes(colors), return_inverse=True)
        found = [self._number_of.setdefault(code, len(self._number_of)) for code in codes.tolist()]
        dtype = np.min_scalar_type(len(self._number_of))
        return np.array(found, dtype)[places].reshape(colors.shape[:-1])

    def rgb(self) -> Array:
        """Return the numbered colors, uint8 (colors, 3)."""
        return np.ascontiguousarray(self._format.to_rgb(self._colors()[None])[0])

    def near(self, colors: Array) -> Array:
        """Return which numbered colors `RecoloredRegions` takes for each of colors uint8 (N, C),
        0 or 1, uint8 (N, numbered colors).
        """
        distances = np.abs(self._colors().astype(int) - colors.astype(int)[:, None])
        is_near: Array = (distances <= NEAR_LEVELS).all(2)
        return is_near.astype(np.uint8)

    def _colors(self) -> Array:
        codes = np.array([*self._number_of], np.int32)
        return colors_of(codes, self._format.num_channels)


def _weights(module: nn.Module) -> Tables:
    """Return all float parameters and narrow integers of a module but those that others replace."""
    tables: Tables = {}
    for full_name, tensor in module.state_dict().items():
        name = full_name.removeprefix("network.")
        if not name.startswith(_REPLACED) and name not in _REPLACED_NAMES:
            tables |= compact(name, _array(tensor))
    return tables


def compact(name: str, array: Array) -> Tables:
    """Return an array in few bytes without a loss: a matrix in 8 bits with a step for each row,
    if these give the same float32; integers in 32 bits.
    """
    if array.dtype.kind in "iu" and array.dtype.itemsize > 2:
        return {name: array.astype(np.int32)}
    if array.dtype.kind == "f":
        array = array.astype(np.float32)
        if array.ndim == 2 and array.size:
            return _in_steps(name, array)
    return {name: array}


def _in_steps(name: str, matrix: Array) -> Tables:
    """Undo `packed_weights.dequantized`.

    A row's step is about its largest absolute value over 127; float32 rounds it, so its neighbors
    are tried as well.
    """
    whole = np.zeros(matrix.shape, np.int8)
    steps = np.ones((len(matrix), 1), np.float32)
    left = np.arange(len(matrix))
    guess = (np.abs(matrix).max(1, keepdims=True) / np.float32(_MAX_INT8)).clip(min=1e-30)
    for away in _NEIGHBORS:
        step = (guess[left].view(np.int32) + np.int32(away)).view(np.float32)
        found = np.rint(matrix[left] / step)
        is_exact = (found.astype(np.float32) * step == matrix[left]).all(1)
        is_exact &= np.abs(found).max(1) <= _MAX_INT8
        whole[left[is_exact]], steps[left[is_exact]] = found[is_exact], step[is_exact]
        left = left[~is_exact]
    return {name: matrix} if len(left) else {name: whole, name + STEPS: steps}


def _palette_tables(network: ProfilesGenerator, palette: PagePalette) -> Tables:
    """The color of each level of the line, for each palette, and the palette of each pixel."""
    colors = network.colors
    at_level = palette.numbers(_array(colors.color_at_level))
    rows = at_level.reshape(colors.height * colors.width, -1)
    levels, palette_of = np.unique(rows, axis=0, return_inverse=True)
    return {"levels": levels, "palette_of": palette_of.reshape(-1).astype(np.uint16)}


def _region_tables(network: ShiftedProfilesGenerator, palette: PagePalette) -> Tables:
    """What `RecoloredRegions` holds, with numbers of colors, and on as bits; and the colors that it
    takes for the usual ones.
    """
    regions = network.regions
    usual, colors = (palette.numbers(_array(each)) for each in (regions.usual, regions.colors))
    return {
        "regions.region_of": _array(regions.region_of),
        "regions.usual": usual,
        "regions.near": palette.near(_array(regions.usual)),
        "regions.colors": colors,
        "regions.on": np.packbits(_array(regions.on), axis=1, bitorder="little"),
        "regions.addresses": _array(regions.addresses).astype(np.int32),
    }


def _group_tables(groups: ShiftedGroups) -> Tables:
    """The bytes that move each group's rows and columns, where its window begins for each of their
    values, and the size of the window; and the number of its figure.
    """
    fields = _array(groups.groups).reshape(-1, 2 + 2 + 4)
    num, grid, learned = len(fields), _array(groups.grid), groups.position_tables()
    starts = np.zeros((num, 2, 256), np.int32)
    for number, (row_byte, row, column_byte, column, top, _, left, _) in enumerate(fields):
        axes = ((row_byte, row, top), (column_byte, column, left))
        for axis, (byte, decoding, first) in enumerate(axes):
            positions = PositionByte(byte, decoding).positions(learned)
            start = (first + np.nan_to_num(positions).astype(np.int64)) % grid[axis]
            starts[number, axis] = np.where(np.isnan(positions), ABSENT, start)
    return {
        "groups.bytes": np.maximum(fields[:, [0, 2]], 0).astype(np.int32),
        "groups.sizes": fields[:, [5, 7]].astype(np.int32),
        "groups.starts": starts,
        "groups.grid": grid.astype(np.int32),
        "groups.figures": np.array(groups.figures, np.int32),
    }


def _prior_tables(prior: StatePrior) -> Tables:
    """The bytes of each code of each group; the codes and their parents as they are."""
    groups = prior.groups
    return {
        "prior.seen": _array(prior.seen),
        "prior.sizes": _array(groups.sizes).astype(np.int32),
        "prior.resting": _array(groups.resting),
        **_code_tables(groups),
    }


def _code_tables(groups: ByteGroups) -> Tables:
    """Addresses of the bytes of each group, -1 for none, and their values for each code."""
    of_groups = _array(groups.group_of)
    addresses, shifts = _array(groups.addresses), _array(groups.shifts)
    most = max(np.bincount(of_groups), default=0)
    places = np.full((len(groups), most), ABSENT, np.int32)
    keys = _array(groups.keys).astype(np.int64)
    values = np.zeros((len(keys), most), np.uint8)
    firsts = _array(groups.first_rows)
    for number, (first, size) in enumerate(zip(firsts, groups.num_codes, strict=True)):
        for place, each in enumerate(np.flatnonzero(of_groups == number)):
            places[number, place] = addresses[each]
            values[first : first + size, place] = keys[first : first + size] >> shifts[each] & 255
    return {"prior.places": places, "prior.values": values}


def _layers(layers: nn.Module | None, name: str) -> list[Layer]:
    """Return the kind of each layer of a sequence with the name of its weights or its number."""
    kinds: dict[type[nn.Module], Callable[[Any, str], Layer]] = {
        nn.Linear: lambda layer, name: ["linear", name],
        nn.LayerNorm: lambda layer, name: ["norm", name, layer.eps],
        nn.LeakyReLU: lambda layer, name: ["leaky", name, layer.negative_slope],
        nn.GELU: lambda layer, name: ["gelu", name],
    }
    each: Iterable[tuple[str, nn.Module]] = [] if layers is None else layers.named_children()
    return [kinds[type(layer)](layer, f"{name}.{number}") for number, layer in each]


def _array(tensor: Tensor) -> Array:
    array: Array = tensor.detach().cpu().numpy()
    return array
