"""Operators that slide a window: convolutions and pools, over one or two spatial axes."""

from __future__ import annotations

from collections.abc import Callable

from dscompress.compile.lower.source import Lowered, Source, Unsupported, compact


def conv(source: Source) -> Lowered:
    return Lowered("conv", source.floats(0, 1, 2), {**window(source), **compact(group=(source.integer("group", 1), 1))})


def conv_transpose(source: Source) -> Lowered:
    spatial = spatial_axes(source)
    extra = source.integers("output_padding", [0] * spatial)
    strides, dilations = (source.integers(name, [1] * spatial) for name in ("strides", "dilations"))
    if any(e >= max(s, d) for e, s, d in zip(extra, strides, dilations, strict=True)):
        raise Unsupported(
            f"its result has {extra} more rows or columns than its inputs reach",
            "make output_padding or output_shape smaller, and pad the result: ONNX allows fewer than the stride",
        )
    attributes = compact(group=(source.integer("group", 1), 1), output_padding=(extra, [0] * spatial))
    return Lowered("conv_transpose", source.floats(0, 1, 2), {**window(source), **attributes})


def max_pool(source: Source) -> Lowered:
    source.expect_one_output()
    ceil_mode = compact(ceil_mode=(source.integer("ceil_mode", 0), 0))
    return Lowered("max_pool", source.floats(0), {"kernel_shape": kernel(source), **window(source), **ceil_mode})


def average_pool(source: Source) -> Lowered:
    attributes = compact(
        ceil_mode=(source.integer("ceil_mode", 0), 0), count_include_pad=(source.integer("count_include_pad", 0), 0)
    )
    return Lowered("average_pool", source.floats(0), {"kernel_shape": kernel(source), **window(source), **attributes})


def global_pool(op: str) -> Callable[[Source], Lowered]:
    return lambda source: Lowered(op, source.floats(0))


def window(source: Source) -> dict:
    spatial = spatial_axes(source)
    if source.text("auto_pad", "NOTSET") != "NOTSET" or "output_shape" in source.node.attributes:
        raise Unsupported("its pads follow from a size that is not known", "give the sizes with --input-shape")
    pads = source.integers("pads", [0] * 2 * spatial)
    if min(pads) < 0:
        raise Unsupported(f"pads={pads} holds a negative number", "cut the input with a slice before it")
    return compact(
        strides=(source.integers("strides", [1] * spatial), [1] * spatial),
        pads=(pads, [0] * 2 * spatial),
        dilations=(source.integers("dilations", [1] * spatial), [1] * spatial),
    )


def kernel(source: Source) -> list[int]:
    return source.integers("kernel_shape", [])


def spatial_axes(source: Source) -> int:
    spatial = len(source.shape()) - 2
    if spatial not in (1, 2):
        raise Unsupported(f"its input has {spatial} spatial dimensions", "the file holds 1-d and 2-d windows")
    return spatial
