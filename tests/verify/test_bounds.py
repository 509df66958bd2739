"""bounds: no two right runs are further apart than the bound, whatever the inputs' difference; wrong ones are.

Every case of every op in tests/ops is run on its inputs and on inputs moved a little, a lot, or not at all.
"""

from dataclasses import replace
from importlib import import_module

import numpy as np
import pytest

from dscompress.verify.bounds import BOUNDS, Step, bounds, winograd
from dscompress.verify.bounds.products import ALGORITHMS
from dscompress.verify.measures import difference
from dsruntime import library
from dsruntime.backends.reference.ops import OPS
from dsruntime.backends.runner import Arithmetic
from dsruntime.file import Node
from tests.support.cases import Case

# What the bound lets pass: nothing (data is moved), rounding (about 1e-5 of the value), or another choice.
MOVES = [
    "concat",
    "expand",
    "flatten",
    "gather",
    "identity",
    "max_pool",
    "pad",
    "relu",
    "reshape",
    "slice",
    "split",
    "squeeze",
    "transpose",
    "unsqueeze",
]
ROUNDS = [
    "add",
    "conv",
    "conv_transpose",
    "gelu",
    "gemm",
    "layer_normalization",
    "mat_mul",
    "mul",
    "sigmoid",
    "softmax",
]


def cases(op):
    return import_module(f"tests.ops.test_{op}").CASES


def test_every_op_has_a_bound():
    assert set(BOUNDS) == set(OPS)


def run(op, case, inputs) -> list[np.ndarray]:
    with np.errstate(all="ignore"):
        result = OPS[op](*inputs, **case.attributes)
    return [np.asarray(y) for y in (result if isinstance(result, (tuple, list)) else (result,))]


def step_of(op, case, inputs, outputs, deltas) -> Step:
    node = Node(op, op, "", tuple(None if x is None else i for i, x in enumerate(inputs)), (0,), case.attributes)
    return Step(node, list(inputs), deltas, outputs, batch=1)


def concrete(op, case) -> bool:
    """Dimensions in attributes are numbers, not multiples of N."""
    return not any(
        isinstance(value, (list, tuple)) and any(isinstance(d, int) and d < 0 for d in value)
        for name, value in case.attributes.items()
        if name in ("shape", "sizes")
    )


@pytest.mark.parametrize("size", [0, 1e-6, 1e-2])
@pytest.mark.parametrize("op", sorted(OPS))
def test_moved_inputs_stay_within_the_bound(op, size):
    numbers = np.random.default_rng(0)
    for case in filter(lambda case: concrete(op, case), cases(op)):
        moved = [
            x
            if x is None or x.dtype.kind != "f" or i in case.weights
            else (x + x.dtype.type(size) * numbers.standard_normal(x.shape)).astype(x.dtype)
            for i, x in enumerate(case.inputs)
        ]
        outputs = run(op, case, case.inputs)
        deltas = [None if x is None else difference(y, x) for x, y in zip(case.inputs, moved, strict=True)]
        allowed = bounds(step_of(op, case, case.inputs, outputs, deltas))
        for there, here, bound in zip(outputs, run(op, case, moved), allowed, strict=True):
            apart = difference(here, there)
            assert (apart <= bound).all(), f"{op}, {case.label}: {np.max(apart - bound)} over the bound"


@pytest.mark.parametrize("op", [*MOVES, *ROUNDS])
def test_an_unmoved_input_explains_rounding_and_no_more(op):
    case = next(
        case
        for case in cases(op)
        if concrete(op, case)
        and case.inputs[0].size > 1
        and all(x is None or x.dtype.kind != "f" or np.isfinite(x).all() for x in case.inputs)
    )
    outputs = run(op, case, case.inputs)
    deltas = [None if x is None else np.zeros(x.shape) for x in case.inputs]
    bound = bounds(step_of(op, case, case.inputs, outputs, deltas))[0]
    largest = np.abs(outputs[0], dtype=np.float64).max()
    assert np.max(bound) <= (0 if op in MOVES else 1e-4 * largest)


@pytest.mark.parametrize("pads", [[1, 1, 1, 1], [0, 2, 1, 0]])
@pytest.mark.parametrize("scale", [1.0, 1e-3])
def test_winograd_stays_within_its_bound_and_needs_it(pads, scale):
    """In float32, against float64. Where the middle of the image is small, a plain sum's bound would be too low."""
    numbers = np.random.default_rng(3)
    x = numbers.standard_normal((1, 48, 11, 10)).astype("f4")
    x[:, :, 2:9, 2:8] *= np.float32(scale)
    w = numbers.standard_normal((5, 48, 3, 3)).astype("f4")
    exact = winograd.apply(x, w, pads)
    rounded = winograd.apply(x, w, pads, dtype=np.float32)
    case = Case("winograd", (x, w), {"pads": pads})
    with np.errstate(all="ignore"):
        plain = OPS["conv"](x, w, pads=pads)
    np.testing.assert_allclose(exact, plain, atol=1e-3)
    step = step_of("conv", case, case.inputs, [plain], [np.zeros(x.shape), np.zeros(w.shape)])
    allowed = bounds(replace(step, arithmetic=Arithmetic(algorithm="winograd_4x4")))[0]
    apart = np.abs(rounded - exact)
    assert (apart <= allowed).all()
    assert allowed.max() < 1e-2 * np.abs(exact).max(), "a bound that explains anything explains nothing"
    if scale < 1:
        assert (apart > bounds(step)[0]).any()


def test_every_algorithm_of_the_header_has_a_bound():
    assert set(ALGORITHMS) == set(library.ALGORITHMS.values())


def test_halves_are_rounded_once_more():
    y = np.float32([3.0, -1000.0])
    step = step_of("relu", Case("halves", (y,)), [y], [y], [np.zeros(2)])
    assert not bounds(step)[0].any()
    widened = bounds(replace(step, arithmetic=Arithmetic("float16", "float32")))[0]
    np.testing.assert_array_equal(widened, 2.0**-11 * np.abs(y) + 2.0**-25)


def test_bfloat16_activations_explain_their_rounding_and_no_more():
    numbers = np.random.default_rng(4)
    x = numbers.standard_normal((1, 8, 5, 5)).astype("f4")
    w = np.exp2(numbers.integers(-3, 1, (4, 8, 3, 3))).astype("f4")
    bits = x.view(np.uint32)
    rounded = ((bits + 0x7FFF + (bits >> 16 & 1)) & 0xFFFF0000).view(np.float32)
    case = Case("bf16", (x, w))
    outputs = [OPS["conv"](x, w)]
    step = step_of("conv", case, case.inputs, outputs, [np.zeros(x.shape), np.zeros(w.shape)])
    apart = difference(OPS["conv"](rounded, w), outputs[0])
    allowed = bounds(replace(step, arithmetic=Arithmetic("bfloat16", "float32")))[0]
    assert (apart <= allowed).all() and (apart > bounds(step)[0]).any()
    assert allowed.max() < 100 * apart.max()


@pytest.mark.parametrize("shape", [(), (2,)])
def test_what_is_no_number_on_both_sides_is_no_difference(shape):
    nan, one, infinity = (np.full(shape, number, np.float32) for number in (np.nan, 1, np.inf))
    for ours, theirs, apart in (
        (nan, nan, 0),
        (infinity, infinity, 0),
        (nan, one, np.inf),
        (one, infinity, np.inf),
        (-infinity, infinity, np.inf),
        (one, 2 * one, 1),
    ):
        np.testing.assert_array_equal(difference(ours, theirs), np.full(shape, apart))
