"""Valid files spoiled in the ways that damage, haste and malice spoil them."""

import copy
import gzip
import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable
from random import Random
from typing import Any

SIZES = (0, 1, 2, 3, 7, 127, 128, 255, 256, 65_535, 65_536, 1 << 24, (1 << 31) - 1, 1 << 31,
         (1 << 32) - 1, 10**12, (1 << 63) - 1, 1 << 63, (1 << 64) - 1)  # fmt: skip
ODD_VALUES: tuple[Any, ...] = (None, True, -1, 0, 1.5, 1e308, float("nan"), float("-inf"),
                               10**400, "", "x" * 5000, "../../etc", "\0", "\ud800", [], {}, [[]],
                               [0] * 100, {"": {}}, *SIZES)  # fmt: skip
ODD_BYTES = (b"\0" * 64, b"\xff" * 64, b"{", b"[" * 3000, b'"', b"NaN", b"1e999", b"-1", b"../",
             b"\x93NUMPY", b"PK\x03\x04", b"cos\nsystem\n(S'true'\ntR.")  # fmt: skip
_FRONT = 64  # most headers


def spoiled(name: str, content: bytes, rng: Random) -> bytes:
    """The content of a file, otherwise; the same for the same state of `rng`.

    Half of what is packed is spoiled inside, so that it passes the checksums of its packing.
    """
    inside = rng.random() < 0.5
    if inside and name.endswith(".json"):
        return _spoiled_json(content, rng)
    if inside and name.endswith(".gz"):
        return gzip.compress(spoiled("", gzip.decompress(content), rng), mtime=0)
    if inside and name.endswith((".npz", ".pt")):
        return _spoiled_zip(content, rng)
    if inside and name.endswith(".png"):
        return _with_png_checksums(_with_changes(content, rng))
    return _with_changes(content, rng)


def _with_changes(content: bytes, rng: Random) -> bytes:
    for _ in range(rng.choice((1, 1, 2, 4))):
        content = rng.choice(_CHANGES)(content, rng)
    return content


def _place(content: bytes, rng: Random) -> int:
    """Somewhere in it, in its front as often as anywhere else."""
    end = min(len(content), _FRONT) if rng.random() < 0.5 else len(content)
    return rng.randint(0, end)


def _flip(content: bytes, rng: Random) -> bytes:
    if not content:
        return b"\1"
    place = min(_place(content, rng), len(content) - 1)
    flipped = bytes([content[place] ^ 1 << rng.randrange(8)])
    return content[:place] + flipped + content[place + 1 :]


def _cut(content: bytes, rng: Random) -> bytes:
    return content[: _place(content, rng)]


def _without_block(content: bytes, rng: Random) -> bytes:
    place = _place(content, rng)
    return content[:place] + content[place + rng.randint(1, 64) :]


def _with_block_twice(content: bytes, rng: Random) -> bytes:
    place, length = _place(content, rng), rng.randint(1, 4096)
    return content[: place + length] + content[place:]


def _with_odd_bytes(content: bytes, rng: Random) -> bytes:
    place, odd = _place(content, rng), rng.choice(ODD_BYTES)
    end = place + rng.choice((0, len(odd)))
    return content[:place] + odd + content[end:]


def _with_odd_size(content: bytes, rng: Random) -> bytes:
    """A binary size of any width in the place of what is there."""
    place, width = _place(content, rng), rng.choice((1, 2, 4, 8))
    size = rng.choice(SIZES) % (1 << 8 * width)
    number = size.to_bytes(width, rng.choice(("big", "little")))
    return content[:place] + number + content[place + width :]


def _with_odd_number(content: bytes, rng: Random) -> bytes:
    """A written number, as in headers and tables, by another."""
    numbers = list(re.finditer(rb"-?\d+", content))
    if not numbers:
        return _flip(content, rng)
    number = rng.choice(numbers)
    odd = str(rng.choice((*SIZES, -1, -(10**12)))).encode()
    return content[: number.start()] + odd + content[number.end() :]


_CHANGES: tuple[Callable[[bytes, Random], bytes], ...] = (
    _flip,
    _cut,
    _without_block,
    _with_block_twice,
    _with_odd_bytes,
    _with_odd_size,
    _with_odd_number,
)


def _spoiled_json(content: bytes, rng: Random) -> bytes:
    """Valid JSON with another value somewhere, or another key."""
    data = json.loads(content)
    for _ in range(rng.choice((1, 1, 2))):
        holder, key = _somewhere(data, rng)
        change = rng.randrange(4)
        if change == 0 and isinstance(holder, dict):
            del holder[key]
        elif change == 1 and isinstance(holder, dict):
            holder[rng.choice(("", "format_version", "__class__", key + "s"))] = holder[key]
        elif change == 2 and type(holder[key]) in (int, float):
            holder[key] = rng.choice((-1, 1)) * rng.choice(SIZES)
        else:
            holder[key] = copy.deepcopy(rng.choice(ODD_VALUES))
    return json.dumps(data).encode("utf-8", "surrogatepass")


def _somewhere(data: Any, rng: Random) -> tuple[Any, Any]:
    """A dictionary or list inside the data, and one of its keys."""
    places: list[tuple[Any, Any]] = []

    def visit(value: Any) -> None:
        keys = list(value) if isinstance(value, dict) else range(len(value))
        for key in keys:
            places.append((value, key))
            if isinstance(value[key], (dict, list)):
                visit(value[key])

    visit(data)
    return rng.choice(places) if places else ({"": data}, "")


def _spoiled_zip(content: bytes, rng: Random) -> bytes:
    """A whole archive, one of whose members is spoiled, packed or renamed."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    name = rng.choice(list(members))
    change = rng.randrange(8)
    if change == 0:
        members[rng.choice(("../" + name, "", "second.npy"))] = members.pop(name)
    elif change == 1:
        members[name] += b"\0" * (1 << 22)
    else:
        members[name] = spoiled(name, members[name], rng)
    packing = rng.choice((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED))
    spoilt = io.BytesIO()
    with zipfile.ZipFile(spoilt, "w", packing) as archive:
        for each, member in members.items():
            archive.writestr(zipfile.ZipInfo(each), member, packing)
    return spoilt.getvalue()


def _with_png_checksums(content: bytes) -> bytes:
    """The chunks of a spoiled PNG with the checksums that go with them."""
    whole, place = content[:8], 8
    while place + 12 <= len(content):
        length = int.from_bytes(content[place : place + 4], "big")
        end = min(place + 8 + length, len(content) - 4)
        body = content[place + 4 : end]
        whole += content[place : place + 4] + body + zlib.crc32(body).to_bytes(4, "big")
        place = end + 4
    return whole + content[place:]
