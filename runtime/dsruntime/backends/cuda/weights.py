"""weights: a weight of the file to what the kernels read: tiles of codes (tiles.py), a float32 scale for each row.

    prepared = prepare(form, shape, "conv", group)
    prepared.upload                            bytes to send to a temporary on the device
    prepared.launches(temporary, packed)       make prepared.bytes bytes at packed: tiles, then scales; or taps

A weight in codes keeps them: value = scale[c] * 2^(base[c] - level), and scale, base and the format's constant power
of two all go into the row's scale, exactly. 6-bit codes become halves, exactly; so do those of layers whose channels
are no multiple of 8. Raw weights become halves times a power of two of their row, rounded to 11 bits. Depthwise weights
become float32, exactly: powers of two before their scale, or raw.
"""

from __future__ import annotations

import ctypes
from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from dsruntime.backends.cuda.launch import Launch, blocks, pointer
from dsruntime.backends.cuda.tiles import DEPTH, FORMATS, ROWS
from dsruntime.backends.reference.codecs import decode_codes
from dsruntime.errors import BackendError
from dsruntime.forms import Codes, Raw
from dsruntime.planes import planes

# How each role's weight is laid out: the dimensions of its value, by what they are to the product.
#   rows: outputs of a group, channels: inputs of a group; "groups" of conv lie on the rows' dimension
ROLES = {"conv": "ocyx", "conv_transpose": "coyx", "linear": "oc", "linear_transposed": "co"}


class Source(ctypes.Structure):
    """pack.cu's Source."""

    _fields_ = [
        (name, ctypes.c_int32)
        for name in (
            "groups",
            "rows",
            "kernel_h",
            "kernel_w",
            "channels",
            "group_stride",
            "row_stride",
            "y_stride",
            "x_stride",
            "channel_stride",
            "flip",
            "plane0",
            "plane1",
            "width0",
            "width1",
            "zero",
            "panels",
            "tiles",
        )
    ]


@dataclass(frozen=True)
class Prepared:
    """format: a key of tiles.FORMATS, or "taps" for depthwise; fill: the pair of constants or-ed to decoded codes."""

    format: str
    kernel: str
    source: Source
    upload: np.ndarray = field(repr=False)
    scales_at: int  # where in upload the scales (packed: of padded rows) and the raw weights' factors start
    factors_at: int
    fill: int = 0

    @property
    def outputs(self) -> int:
        return self.source.groups * self.source.rows

    @property
    def tile_count(self) -> int:
        return self.source.groups * self.source.panels * self.source.tiles

    @property
    def tap_count(self) -> int:
        return self.outputs * self.source.kernel_h * self.source.kernel_w

    @property
    def scale_bytes_at(self) -> int:
        """Where the scales start in the packed weight."""
        return 4 * self.tap_count if self.format == "taps" else self.tile_count * FORMATS[self.format].tile_bytes

    @property
    def bytes(self) -> int:
        return self.scale_bytes_at + 4 * self.scale_count

    @property
    def scale_count(self) -> int:
        return self.outputs if self.format == "taps" else self.source.groups * self.source.panels * ROWS

    def launches(self, source: int, packed: int) -> list[Launch]:
        """source: the address of upload on the device; packed: where the kernels will read."""
        copy = (pointer(source + self.scales_at), pointer(packed + self.scale_bytes_at), np.int32(self.scale_count))
        scales = Launch("pack", "pack_scales", (blocks(self.scale_count, 256), 1, 1), (256, 1, 1), copy)
        if self.format == "taps":
            taps = (self.source, pointer(source), pointer(packed), np.int32(self.kernel == "codes"))
            return [Launch("pack", "pack_taps", (blocks(self.tap_count, 256), 1, 1), (256, 1, 1), taps), scales]
        tiles = (self.source, pointer(source), pointer(source + self.factors_at), pointer(packed))
        return [Launch("pack", self.kernel, (blocks(self.tile_count, 8), 1, 1), (256, 1, 1), tiles), scales]

    def at(self, address: int) -> Packed:
        return Packed(self, address)


@dataclass(frozen=True)
class Packed:
    """A prepared weight whose launches have run: address is that of the packed bytes, a multiple of 256."""

    prepared: Prepared
    address: int


def prepare(form: Raw | Codes, shape: tuple[int, ...], role: str, group: int = 1) -> Prepared:
    """form: the weight's (Graph.form); shape: its value's; role: a key of ROLES."""
    if isinstance(form, Raw):
        return prepare_raw(np.frombuffer(form.data, "<f4").reshape(shape), role, group)
    row_scale = scales_of_rows(form, shape, role, group)
    if row_scale is None:  # a scale for each input channel, or out of range: no longer a code times a row's scale
        return prepare_raw(np.ascontiguousarray(decode_codes(form, shape)), role, group)
    source = logical(shape, form.axes(shape), role, group)
    return prepare_codes(form, source, row_scale, depthwise=is_depthwise(source, role))


def prepare_codes(codes: Codes, source: Source, row_scale: np.ndarray, depthwise: bool) -> Prepared:
    set_planes(source, codes)
    stored = np.frombuffer(codes.data, np.uint8)
    if depthwise:
        return with_arrays("taps", "codes", source, stored, row_scale.astype(np.float32))
    name, kernel, fill, power = format_of(codes, whole_loads=source.channels % 8 == 0)
    return with_arrays(name, kernel, source, stored, padded_rows(row_scale * 2.0**power, source), fill=fill)


def prepare_raw(value: np.ndarray, role: str, group: int = 1) -> Prepared:
    """value: float32 in its own order."""
    source = logical(value.shape, tuple(range(value.ndim)), role, group)
    stored = np.frombuffer(np.ascontiguousarray(value, "<f4").tobytes(), np.uint8)
    if is_depthwise(source, role):
        return with_arrays("taps", "raw", source, stored, np.ones(source.groups * source.rows, np.float32))
    power = row_powers(value, role, group)
    factors = np.ldexp(np.float32(1), -power)
    return with_arrays("16", "pack_raw", source, stored, padded_rows(np.ldexp(1.0, power), source), factors)


def is_depthwise(source: Source, role: str) -> bool:
    return role.startswith("conv") and source.channels == 1 and source.groups > 1


def format_of(codes: Codes, whole_loads: bool) -> tuple[str, str, int, int]:
    """Tile format, packing kernel, fill, and the power of two that a decoded code lacks.

    With E = bits - 1 (1 for b = 1) exponent bits, the wanted power is e - (2^E - 1), for e counts down from base.
    """
    if codes.bits == 6 or not whole_loads:
        return "16", "pack_wide", 0, -15
    name = str(max(codes.bits, 2))
    count = 1 << FORMATS[name].exponent_bits
    if codes.zero:
        return name, f"pack_{name}", 0, 16 - count
    if name == "5":
        return "5q", "pack_5", 0, -1
    constant = count << 10
    return name, f"pack_{name}", constant << 16 | constant, 16 - 2 * count


def logical(shape: Sequence[int], order: Sequence[int], role: str, group: int) -> Source:
    """Strides of the product's dimensions in the stored order."""
    axes = ROLES[role]
    sizes = dict(zip(axes if len(shape) == len(axes) else axes.replace("y", ""), shape, strict=True))
    strides, step = {}, 1
    for axis in reversed(order):
        strides[list(sizes)[axis]] = step
        step *= shape[axis]
    rows, channels = sizes["o"], sizes["c"]
    if role == "conv_transpose":
        channels, group_stride = channels // group, channels // group * strides["c"]
    else:
        rows, group_stride = rows // group, rows // group * strides["o"]
    depth = sizes.get("y", 1) * sizes.get("x", 1) * channels
    return Source(
        group,
        rows,
        sizes.get("y", 1),
        sizes.get("x", 1),
        channels,
        group_stride,
        strides["o"],
        strides.get("y", 0),
        strides.get("x", 0),
        strides["c"],
        int(role == "conv_transpose"),
        0,
        0,
        0,
        0,
        -1,
        blocks(rows, ROWS),
        blocks(depth, DEPTH),
    )


def set_planes(source: Source, codes: Codes) -> None:
    """Where the planes of the level lie, which follow that of the sign."""
    count = source.groups * source.rows * source.kernel_h * source.kernel_w * source.channels
    _, *level = planes(count, codes.bits)
    (source.plane0, source.width0), (source.plane1, source.width1) = [
        *((plane.offset, plane.width) for plane in level),
        (0, 0),
        (0, 0),
    ][:2]
    source.zero = (1 << codes.bits - 1) - 1 if codes.zero else -1


def scales_of_rows(codes: Codes, shape: Sequence[int], role: str, group: int) -> np.ndarray | None:
    """scale * 2^base of every output, float64; None where it is not one number a row, or no normal float32."""
    one = codes.base.size == 1 and (codes.scale is None or codes.scale.size == 1)
    axes = ROLES[role] if len(shape) == len(ROLES[role]) else ROLES[role].replace("y", "")
    if not one and axes[codes.axes(shape)[0]] != "o":
        return None
    scale = np.ldexp(1.0 if codes.scale is None else codes.scale.astype(np.float64), codes.base.astype(np.int32))
    rows = shape[axes.index("o")]
    each = np.broadcast_to(np.reshape(scale, -1), rows)
    each = np.tile(each, group) if role == "conv_transpose" else each
    within = (each >= 2.0**-100) & (each <= 2.0**100)
    return each if within.all() else None


def row_powers(value: np.ndarray, role: str, group: int) -> np.ndarray:
    """For each output, the power of two that brings its largest weight to [1, 2)."""
    axes = ROLES[role] if value.ndim == len(ROLES[role]) else ROLES[role].replace("y", "")
    size = np.where(np.isfinite(value), np.abs(value), 0)
    if role == "conv_transpose":  # [groups * channels][rows]...: a row's weights are those of its group
        size = size.reshape(group, -1, *value.shape[1:])
        largest = size.max(axis=(1, *range(3, size.ndim))).reshape(-1)
    else:
        rows = axes.index("o")
        largest = size.max(axis=tuple(axis for axis in range(value.ndim) if axis != rows))
    return np.clip(np.frexp(np.where(largest > 0, largest, 1))[1] - 1, -100, 100)


def padded_rows(scale: np.ndarray, source: Source) -> np.ndarray:
    padded = np.zeros((source.groups, source.panels * ROWS), np.float32)
    padded[:, : source.rows] = scale.reshape(source.groups, source.rows)
    return padded.reshape(-1)


def with_arrays(
    name: str,
    kernel: str,
    source: Source,
    stored: np.ndarray,
    scales: np.ndarray,
    factors: np.ndarray | None = None,
    fill: int = 0,
) -> Prepared:
    """One array to upload: the stored bytes, the scales, the factors, each at a multiple of 64 bytes."""
    parts, at = [stored], []
    for array in (scales, np.zeros(0) if factors is None else factors):
        parts.append(np.zeros(-sum(len(part) for part in parts) % 64, np.uint8))
        at.append(sum(len(part) for part in parts))
        parts.append(np.frombuffer(array.astype("<f4").tobytes(), np.uint8))
    if source.groups * source.panels * source.tiles >= 2**24:
        raise BackendError(
            "cuda",
            f"a weight of {source.groups * source.panels * source.tiles} tiles",
            "fewer than 2^24",
            "use backend cpu",
        )
    return Prepared(name, kernel, source, np.concatenate(parts), at[0], at[1], fill)
