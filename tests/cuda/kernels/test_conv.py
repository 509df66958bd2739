"""conv, conv_transpose, depthwise: whole numbers exactly, others within a bound, against the float64 reference."""

from dataclasses import dataclass, field

import numpy as np
import pytest

from dsruntime.backends.cuda.kernels import conv, conv_transpose
from dsruntime.backends.reference.ops.conv import conv as reference
from dsruntime.backends.reference.ops.conv_transpose import conv_transpose as reference_transpose
from tests.cuda.launching import address, halves, poisoned, run
from tests.cuda.products import half_bound, packed, raw_weight, scratch_for, shift_weight


@dataclass
class Case:
    """x: N, C, H, W; w as ONNX has it."""

    name: str
    x: tuple
    w: tuple
    group: int = 1
    strides: tuple = (1, 1)
    pads: tuple = (0, 0, 0, 0)
    dilations: tuple = (1, 1)
    extra: tuple = (0, 0)
    codes: dict = field(default_factory=dict)
    transposed: bool = False
    raw: bool = False
    sms: int = 4
    bias: bool = True
    residual: bool = False
    low: float = -np.inf
    high: float = np.inf

    def __str__(self):
        return self.name

    @property
    def role(self):
        return "conv_transpose" if self.transposed else "conv"

    def attributes(self):
        more = {"output_padding": list(self.extra)} if self.transposed else {}
        return dict(
            strides=list(self.strides), pads=list(self.pads), dilations=list(self.dilations), group=self.group, **more
        )


PAD = (1, 1, 1, 1)
CASES = [
    Case("pointwise", (1, 64, 5, 7), (64, 64, 1, 1)),
    Case("three by three", (2, 16, 6, 5), (32, 16, 3, 3), pads=PAD, residual=True, low=0),
    Case("tails of rows, pixels and k", (1, 24, 7, 11), (37, 24, 3, 3), pads=PAD, bias=False, residual=True),
    Case("split over blocks", (1, 512, 3, 3), (16, 512, 3, 3), pads=PAD, sms=16, low=0, high=6),
    Case("split over blocks, gathered", (1, 509, 2, 3), (70, 509, 3, 3), pads=PAD, sms=132),
    Case(
        "stride, asymmetric pads, dilation",
        (2, 8, 9, 12),
        (16, 8, 3, 2),
        strides=(2, 1),
        pads=(1, 0, 2, 3),
        dilations=(1, 2),
    ),
    Case("first layer", (1, 3, 19, 17), (64, 3, 7, 7), strides=(2, 2), pads=(3, 3, 3, 3), low=0),
    Case("one channel", (2, 1, 8, 8), (16, 1, 3, 3), pads=PAD),
    Case("four channels", (1, 4, 5, 6), (8, 4, 2, 2)),
    Case("odd channels", (1, 13, 6, 7), (5, 13, 3, 3), pads=PAD, residual=True),
    Case("two groups of 8", (1, 16, 5, 6), (20, 8, 3, 3), group=2, pads=PAD),
    Case("three groups of 3", (2, 9, 5, 6), (12, 3, 3, 3), group=3, residual=True),
    Case("more than a panel a group", (1, 16, 4, 4), (80, 8, 1, 1), group=2, strides=(2, 2)),
    Case("kernel larger than the image", (1, 8, 2, 2), (8, 8, 5, 5), pads=(2, 2, 2, 2)),
    Case("depthwise", (2, 16, 6, 7), (16, 1, 3, 3), group=16, pads=PAD, low=0, high=6),
    Case(
        "depthwise, odd channels", (1, 7, 9, 6), (7, 1, 3, 2), group=7, strides=(2, 1), dilations=(1, 2), residual=True
    ),
    Case("depthwise, two outputs a channel", (1, 8, 5, 5), (16, 1, 3, 3), group=8),
    Case("depthwise, raw", (1, 8, 5, 5), (8, 1, 3, 3), group=8, pads=PAD, raw=True),
    Case("raw weights", (1, 16, 5, 5), (16, 16, 3, 3), pads=PAD, raw=True, sms=1),
    Case("a raw first layer", (1, 3, 9, 9), (16, 3, 3, 3), pads=PAD, raw=True),
    Case("transposed, stride 2", (1, 8, 4, 5), (8, 16, 2, 2), strides=(2, 2), transposed=True, residual=True),
    Case(
        "transposed, all",
        (2, 16, 4, 3),
        (16, 6, 3, 3),
        group=2,
        strides=(2, 3),
        pads=(1, 0, 2, 1),
        dilations=(2, 1),
        extra=(1, 2),
        transposed=True,
    ),
    Case("transposed, odd channels", (1, 5, 4, 5), (5, 7, 3, 3), strides=(2, 2), pads=PAD, transposed=True),
    Case("transposed depthwise", (1, 8, 4, 5), (8, 1, 3, 3), group=8, strides=(2, 2), pads=PAD, transposed=True),
    Case("transposed, raw", (1, 8, 3, 3), (8, 8, 3, 3), strides=(2, 2), transposed=True, raw=True),
    Case("many pixels, 128 outputs", (2, 16, 9, 8), (120, 16, 3, 3), pads=PAD, residual=True, low=0, sms=1),
    Case("many pixels, 64 outputs", (2, 40, 9, 8), (64, 40, 3, 3), pads=PAD, strides=(1, 2), sms=1),
    Case("many pixels, odd outputs", (1, 8, 12, 11), (85, 8, 3, 2), dilations=(2, 1), residual=True, sms=1),
    Case("many pixels, groups", (1, 32, 9, 9), (96, 16, 3, 3), group=2, pads=PAD, sms=1),
    Case("many pixels, raw", (1, 72, 9, 9), (64, 72, 1, 1), raw=True, sms=1),
    Case("transposed, more pixels", (1, 16, 6, 6), (16, 48, 2, 2), strides=(2, 2), transposed=True, sms=1),
    *(
        Case(
            f"many pixels, {bits} bits{'' if zero else ', no zero'}",
            (1, 72, 9, 8),
            (outputs, 72, 1, 1),
            sms=1,
            codes={"bits": bits, "zero": zero},
        )
        for bits, zero, outputs in [
            (5, False, 96),
            (4, True, 64),
            (3, True, 96),
            (3, False, 64),
            (2, True, 64),
            (6, True, 96),
        ]
    ),
    *(
        Case(
            f"{bits} bits{'' if zero else ', no zero'}",
            (1, 24, 4, 4),
            (20, 24, 3, 3),
            pads=PAD,
            codes={"bits": bits, "zero": zero},
        )
        for bits in range(1, 7)
        for zero in (True, False)
        if bits > 1 or not zero
    ),
]


def nhwc(x):
    return halves(np.moveaxis(x, 1, -1))


def run_case(case, x, form, value, bias, residual):
    """y, NCHW, from the kernels."""
    op = reference_transpose if case.transposed else reference
    n, outputs, out_h, out_w = op(x[:, :, :, :], value, **case.attributes()).shape
    tiles, memory = packed(form, value.shape, case.role, case.group)
    module = conv_transpose if case.transposed else conv
    shape = dict(
        n=n,
        h=x.shape[2],
        w=x.shape[3],
        c=x.shape[1],
        outputs=outputs,
        out_h=out_h,
        out_w=out_w,
        kernel=value.shape[2:],
        strides=case.strides,
        pads=case.pads,
        dilations=case.dilations,
        group=case.group,
        sms=case.sms,
    )
    held = nhwc(x), bias, None if residual is None else nhwc(residual)
    y = poisoned((n, out_h, out_w, outputs))
    scratch = scratch_for(*module.scratch_bytes(tiles, **shape))
    pointers = [0 if array is None else address(array) for array in held]
    launches = module.launches(
        pointers[0],
        tiles,
        pointers[1],
        pointers[2],
        address(y),
        address(scratch),
        **shape,
        low=case.low,
        high=case.high,
    )
    run(launches, y, scratch=(scratch,))
    assert memory
    return np.moveaxis(y, -1, 1).astype(np.float64)


def inputs_of(case, draw):
    """draw: a function from shape to values that halves hold."""
    form, value = shift_weight(case.w, case.role, **case.codes)
    op = reference_transpose if case.transposed else reference
    x = draw(case.x)
    out = op(x, value, **case.attributes()).shape
    bias = draw((out[1],)).astype(np.float32) if case.bias else None
    return x, form, value, bias, draw(out) if case.residual else None


def expected_of(case, x, value, bias, residual):
    op = reference_transpose if case.transposed else reference
    y = op(x, value, bias, **case.attributes()).astype(np.float64)
    return np.clip(y if residual is None else y + residual, case.low, case.high)


@pytest.mark.parametrize("case", CASES, ids=str)
def test_within_bound(case):
    random = np.random.default_rng(1)
    x, form, value, bias, residual = inputs_of(
        case, lambda shape: random.normal(size=shape).astype(np.float16).astype(np.float32)
    )
    if case.raw:
        form, value = raw_weight(random.normal(size=value.shape))
    got = run_case(case, x, form, value, bias, residual)
    expected = expected_of(case, x, value, bias, residual)
    magnitude = (
        expected_of(
            case,
            np.abs(x),
            np.abs(value),
            None if bias is None else np.abs(bias),
            None if residual is None else np.abs(residual),
        )
        if np.isinf(case.high)
        else 1e3
    )
    depth = value[0].size * ((case.transposed and len(value)) or 1)
    assert np.isfinite(got).all()
    bound = half_bound(expected, np.abs(magnitude), depth, case.raw)
    assert (np.abs(got - expected) <= bound).all(), np.abs(got - expected).max()


@pytest.mark.parametrize("case", [case for case in CASES if not case.raw], ids=str)
def test_whole_numbers_are_exact(case):
    random = np.random.default_rng(2)
    x, form, value, bias, residual = inputs_of(case, lambda shape: random.integers(-3, 4, shape).astype(np.float32))
    value = np.sign(value) * 2.0 ** random.integers(0, 2, value.shape)  # +-1, +-2 and 0: every sum is a small number
    form, value = raw_weight(value)
    got = run_case(case, x, form, value, bias, residual)
    np.testing.assert_array_equal(got, halves(expected_of(case, x, value, bias, residual)))


@pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith("split")], ids=str)
def test_k_is_split_over_blocks(case):
    form, value = shift_weight(case.w, "conv")
    tiles, _ = packed(form, value.shape, "conv")
    problem = conv.Problem(1, *case.x[2:], case.x[1], case.w[0], *case.x[2:], (3, 3))
    assert conv.choose(conv.KERNELS, tiles, problem, case.sms).grid[2] > 1
    bytes, zeroed = conv.scratch(tiles, problem, case.sms)
    assert bytes > zeroed >= 4


@pytest.mark.parametrize("case", [case for case in CASES if case.name.startswith("many pixels")], ids=str)
def test_many_pixels_take_the_tiled_kernels(case):
    outputs = case.w[0]
    shape = reference(np.zeros(case.x), np.zeros(case.w, np.float32), **case.attributes()).shape
    problem = conv.Problem(case.x[0], *case.x[2:], case.x[1], outputs, *shape[2:], case.w[2:], group=case.group)
    kernel = next(kernel for kernel in conv.KERNELS if kernel.fits(problem, case.sms))
    assert kernel.name == ("conv_tiled_64x128" if outputs // case.group <= 64 else "conv_tiled_128x64")


CODEBOOKS = [(bits, zero) for bits in range(1, 6) for zero in (True, False) if bits > 1 or not zero]


@pytest.mark.parametrize("bits, zero", CODEBOOKS)
@pytest.mark.parametrize(
    "case",
    [
        Case("few pixels", (1, 24, 4, 4), (20, 24, 3, 3), pads=PAD),
        Case("gathered", (1, 3, 5, 4), (20, 3, 3, 3), pads=PAD),
        Case("many pixels", (1, 24, 9, 8), (64, 24, 2, 3), sms=1),
        Case("depthwise", (1, 8, 4, 4), (8, 1, 3, 3), group=8),
    ],
    ids=str,
)
def test_codes_of_whole_numbers_are_exact(case, bits, zero):
    """Weights 2^0 .. 2^15, x up to 3: sums below 2^24 in any order, rounded once."""
    case.codes.update(bits=bits, zero=zero, base=(1 << bits - 1) - 1 - zero)
    random = np.random.default_rng(3)
    x, form, value, bias, residual = inputs_of(case, lambda shape: random.integers(-3, 4, shape).astype(np.float32))
    got = run_case(case, x, form, value, bias, residual)
    with np.errstate(over="ignore"):
        np.testing.assert_array_equal(got, halves(expected_of(case, x, value, bias, residual)))


def test_nan_passes_the_clip():
    case = Case("nan", (1, 8, 3, 3), (8, 8, 1, 1), low=0, high=6)
    x, *rest = inputs_of(case, lambda shape: np.ones(shape, np.float32))
    x[0, :, 1, 1] = np.nan
    got = run_case(case, x, *rest)
    assert np.isnan(got[0, :, 1, 1]).all() and np.isfinite(got[0, :, 0]).all()
