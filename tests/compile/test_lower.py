"""lower: ONNX operators in all the forms that operator sets gave them, and one report of everything in the way."""

import numpy as np
import pytest
import torch
from torch import nn

from dscompress import compile_model
from dscompress.compile.lower import LOWERINGS, lower, supported_ops
from dscompress.errors import CompileError
from dscompress.passes import run_pipeline
from dsruntime import library
from tests.compile.graphs import compile_graph, parse, random, run_dsf, run_onnx

DIMS = "abcdef"


def lowered(model) -> list:
    run_pipeline(model)
    return lower(model)


def graph(node: str, shape: tuple[int, ...], rank: int | None = None, opset: int = 20, **constants):
    """One node from x [n, ...] to y."""
    free = ", ".join(["n", *map(str, shape[1:])])
    result = ", ".join(DIMS[: len(shape) if rank is None else rank])
    return parse(f"g (float[{free}] x) => (float[{result}] y) {{ {node} }}", opset, **constants)


def ints(*values: int) -> np.ndarray:
    return np.array(values, np.int64)


# node, shape of x, rank of y, operator set, constants, operator and attributes in the file
FORMS = [
    ("y = Relu(x)", (2, 3), None, 20, {}, "relu", {}),
    ("y = Clip<min = 0.0, max = 6.0>(x)", (2, 3), None, 10, {}, "clip", {"min": 0.0, "max": 6.0}),
    ("y = Clip(x, low)", (2, 3), None, 13, {"low": np.float32(0)}, "clip", {"min": 0.0}),
    ("y = Clip(x, , high)", (2, 3), None, 13, {"high": np.float32(6)}, "clip", {"max": 6.0}),
    ("y = LeakyRelu(x)", (2, 3), None, 20, {}, "leaky_relu", {}),
    ("y = LeakyRelu<alpha = 0.2>(x)", (2, 3), None, 20, {}, "leaky_relu", {"alpha": pytest.approx(0.2)}),
    ('y = Gelu<approximate = "tanh">(x)', (2, 3), None, 20, {}, "gelu", {"approximate": "tanh"}),
    ("y = Softmax(x)", (2, 3), None, 20, {}, "softmax", {}),
    ("y = Softmax(x)", (2, 3), None, 11, {}, "softmax", {}),
    ("y = Softmax<axis = 1>(x)", (2, 3, 4), None, 20, {}, "softmax", {"axis": 1}),
    ("y = ReduceMean<axes = [2, 3]>(x)", (2, 3, 4, 4), None, 13, {}, "reduce_mean", {"axes": [2, 3]}),
    (
        "y = ReduceMean<keepdims = 0>(x, axes)",
        (2, 3, 4, 4),
        2,
        18,
        {"axes": ints(-1, -2)},
        "reduce_mean",
        {"axes": [2, 3], "keepdims": 0},
    ),
    ("y = ReduceSum(x)", (2, 3), None, 13, {}, "reduce_sum", {"axes": [0, 1]}),
    ("y = ReduceSum<noop_with_empty_axes = 1>(x)", (2, 3), None, 13, {}, "identity", {}),
    ("y = Squeeze<axes = [2]>(x)", (2, 3, 1), 2, 11, {}, "squeeze", {"axes": [2]}),
    ("y = Squeeze(x, axes)", (2, 3, 1), 2, 13, {"axes": ints(-1)}, "squeeze", {"axes": [2]}),
    ("y = Squeeze(x)", (2, 3, 1), 2, 13, {}, "squeeze", {"axes": [2]}),
    ("y = Unsqueeze<axes = [1]>(x)", (2, 3), 3, 11, {}, "unsqueeze", {"axes": [1]}),
    ("y = Unsqueeze(x, axes)", (2, 3), 3, 13, {"axes": ints(-1)}, "unsqueeze", {"axes": [2]}),
    ("y = Flatten(x)", (2, 3, 4), 2, 20, {}, "flatten", {}),
    ("y = Flatten<axis = 3>(x)", (2, 3, 4), 2, 20, {}, "reshape", {"shape": [-12, 1]}),
    ("y = Reshape(x, to)", (2, 3, 4), 2, 20, {"to": ints(0, -1)}, "reshape", {"shape": [-1, 12]}),
    ("y = Reshape(x, to)", (2, 3, 4), 2, 20, {"to": ints(-1, 2)}, "reshape", {"shape": [-6, 2]}),
    ("y = Expand(x, to)", (2, 1, 4), 3, 20, {"to": ints(1, 3, 1)}, "expand", {"shape": [-1, 3, 4]}),
    ("y = Transpose(x)", (2, 3, 4), None, 20, {}, "transpose", {"perm": [2, 1, 0]}),
    (
        "y = Slice<starts = [1], ends = [3], axes = [1]>(x)",
        (2, 4),
        None,
        9,
        {},
        "slice",
        {"starts": [1], "ends": [3], "axes": [1], "steps": [1]},
    ),
    (
        "y = Slice(x, s, e, a)",
        (2, 4),
        None,
        13,
        {"s": ints(-3), "e": ints(2**60), "a": ints(-1)},
        "slice",
        {"starts": [1], "ends": [4], "axes": [1], "steps": [1]},
    ),
    (
        "y = Slice(x, s, e, a, t)",
        (2, 4),
        None,
        13,
        {"s": ints(-1), "e": ints(-9), "a": ints(1), "t": ints(-2)},
        "slice",
        {"starts": [-1], "ends": [-9], "axes": [1], "steps": [-2]},
    ),
    ("y = Pad<pads = [0, 1, 0, 2]>(x)", (2, 4), None, 10, {}, "pad", {"pads": [0, 1, 0, 2]}),
    (
        "y = Pad(x, pads, value, axes)",
        (2, 4),
        None,
        18,
        {"pads": ints(1, 2), "value": np.float32(3), "axes": ints(-1)},
        "pad",
        {"pads": [0, 1, 0, 2], "value": 3.0},
    ),
    (
        'y = Pad<mode = "reflect">(x, pads)',
        (2, 4),
        None,
        13,
        {"pads": ints(0, 1, 0, 2)},
        "pad",
        {"pads": [0, 1, 0, 2], "mode": "reflect"},
    ),
    (
        "y = Resize(x, , scales)",
        (2, 3, 4, 4),
        None,
        13,
        {"scales": np.float32([1, 1, 2, 2])},
        "resize",
        {"sizes": [-1, 3, 8, 8], "scales": [1.0, 1.0, 2.0, 2.0]},
    ),
    (
        'y = Resize<mode = "linear", axes = [2, 3], coordinate_transformation_mode = "align_corners">(x, , , sizes)',
        (2, 3, 4, 4),
        None,
        18,
        {"sizes": ints(6, 7)},
        "resize",
        {
            "mode": "linear",
            "coordinate_transformation_mode": "align_corners",
            "sizes": [-1, 3, 6, 7],
            "scales": [1.0, 1.0, 1.5, 1.75],
        },
    ),
    (
        "y = Upsample(x, scales)",
        (2, 3, 4, 4),
        None,
        9,
        {"scales": np.float32([1, 1, 2, 3])},
        "resize",
        {
            "coordinate_transformation_mode": "asymmetric",
            "nearest_mode": "floor",
            "sizes": [-1, 3, 8, 12],
            "scales": [1.0, 1.0, 2.0, 3.0],
        },
    ),
    (
        "y = Gemm<transB = 1, alpha = 0.5>(x, w)",
        (2, 3),
        None,
        20,
        {"w": random(4, 3)},
        "gemm",
        {"trans_b": 1, "alpha": 0.5},
    ),
    (
        "y = Conv<kernel_shape = [3, 3], group = 1, strides = [1, 1]>(x, w)",
        (2, 3, 5, 5),
        None,
        20,
        {"w": random(4, 3, 3, 3)},
        "conv",
        {},
    ),
    ("y = Conv<pads = [1, 2]>(x, w)", (2, 3, 5), None, 20, {"w": random(4, 3, 3)}, "conv", {"pads": [1, 2]}),
    (
        "y = MaxPool<kernel_shape = [2, 2], strides = [2, 2], ceil_mode = 1>(x)",
        (2, 3, 5, 5),
        None,
        20,
        {},
        "max_pool",
        {"kernel_shape": [2, 2], "strides": [2, 2], "ceil_mode": 1},
    ),
    ("y = Concat<axis = 0>(x, none, x)", (2, 3), None, 20, {"none": random(0, 3)}, "concat", {"axis": 0}),
    ("y = Concat<axis = 0>(none, x)", (2, 3), None, 20, {"none": random(0, 3)}, "identity", {}),
    ("y = Sum(x, x)", (2, 3), None, 20, {}, "add", {}),
    ("y = Pow(x, two)", (2, 3), None, 20, {"two": np.array(2)}, "pow", {}),
]


@pytest.mark.parametrize("node, shape, rank, opset, constants, op, attributes", FORMS, ids=[row[0] for row in FORMS])
def test_forms(node, shape, rank, opset, constants, op, attributes, tmp_path):
    found = lowered(graph(node, shape, rank, opset, **constants))
    assert [(n.op, n.attributes) for n in found] == [(op, attributes)]
    x = np.abs(random(*shape))
    expected = run_onnx(graph(node, shape, rank, opset, **constants), x)[0]
    report = compile_graph(graph(node, shape, rank, opset, **constants), tmp_path)
    np.testing.assert_allclose(run_dsf(report.data, x)[0], expected, rtol=1e-5, atol=1e-5)


def test_split_in_three_forms():
    halves = "g (float[n, 4] x) => (float[n, 2] a, float[n, 2] b) {{ a, b = {} }}"
    for text, opset, constants in [
        ("Split<axis = 1, split = [2, 2]>(x)", 11, {}),
        ("Split<axis = -1>(x, sizes)", 13, {"sizes": ints(2, 2)}),
        ("Split<axis = 1, num_outputs = 2>(x)", 18, {}),
    ]:
        found = lowered(parse(halves.format(text), opset, **constants))
        assert [(n.op, n.attributes) for n in found] == [("split", {"axis": 1, "split": [2, 2]})]


def test_top_k_keeps_an_output_that_nobody_reads():
    model = parse("g (float[n, 9] x) => (int64[n, k] i) { v, i = TopK(x, k) }", k=ints(3))
    (node,) = lowered(model)
    assert (node.op, node.attributes, len(node.outputs)) == ("top_k", {"k": 3}, 2)


def test_a_slice_to_the_end_of_the_batch():
    model = parse(
        """
    g (float[n, 4] x) => (float[m, 4] y) {
        shape = Shape<start = 0, end = 1>(x)
        y = Slice(x, zero, shape, zero)
    }""",
        zero=ints(0),
    )
    (node,) = lowered(model)
    assert node.attributes["ends"] == [2**63 - 1]


def test_the_table_and_libdsf_know_the_same_operators():
    libdsf = library.library()
    known = {libdsf.dsf_op_name(i).decode() for i in range(libdsf.dsf_op_count())}
    assert {op for name, op in supported_ops().items() if name in LOWERINGS and name != "Dropout"} == known


REFUSED = [
    ('y = Einsum<equation = "ab,ab->ab">(x, x)', (2, 3), "not supported; write it with matmul"),
    ("y = com.microsoft.Gelu(x)", (2, 3), "the domain 'com.microsoft' is not supported"),
    ("y = Softmax(x)", (2, 3, 4), "in operator set 11 it spans several dimensions"),
    ('y = Pad<mode = "wrap">(x, pads)', (2, 4), "mode='wrap' is not supported"),
    ("y = Pad(x, negative)", (2, 4), "holds a negative number; cut with a slice"),
    ('y = Resize<mode = "cubic">(x, , scales)', (2, 3, 4, 4), "mode='cubic' is not supported"),
    ('y = Resize<antialias = 1, mode = "linear">(x, , scales)', (2, 3, 4, 4), "antialias=1 is not supported, 0 is"),
    ("y = Cast<to = 11>(x)", (2, 3), "it casts to double"),
    ("y = InstanceNormalization(x, one, one)", (2, 1, 4), "use BatchNorm2d"),
    ("y = Sum(x, x, x)", (2, 3), "it adds 3 tensors; add them two at a time"),
    ("y = Slice(x, two, two)", (4, 3), r"its result is empty, of shape \(0, 0\); leave out"),
    ("y = Flatten<axis = 0>(x)", (9, 1024, 1025), r"dimensions up to 1,048,576; reshape it into more dimensions"),
    ("y = Conv(x, cube)", (2, 1, 4, 4, 4), "3 spatial dimensions; the file holds 1-d and 2-d"),
]


@pytest.mark.parametrize("node, shape, reason", REFUSED, ids=lambda value: str(value)[:30])
def test_refusals(node, shape, reason):
    opset = 11 if "set 11" in reason else 20
    constants = {
        "pads": ints(0, 1, 0, 1),
        "negative": ints(0, -1, 0, 0),
        "scales": np.float32([1, 1, 2, 2]),
        "one": np.ones(1, np.float32),
        "cube": random(1, 1, 2, 2, 2),
        "two": ints(2, 0),
    }
    used = {name: array for name, array in constants.items() if name in node}
    with pytest.raises(CompileError, match=reason):
        lowered(graph(node, shape, opset=opset, **used))


def test_everything_in_the_way_is_reported_at_once_with_its_place():
    model = parse("g (float[n, 2] x) => (float[n, 2] y) { a = Celu(x) b = Relu(a) c = Mish(b) y = Softsign(c) }")
    for node in model.graph:
        node.metadata_props["pkg.torch.onnx.name_scopes"] = f"['', 'block.{node.op_type}', 'op']"
        frames = f'File "/home/me/net.py", line {len(node.op_type)}, in f\n  File "/x/torch/nn/f.py", line 1, in f'
        node.metadata_props["pkg.torch.onnx.stack_trace"] = frames
    with pytest.raises(CompileError) as caught:
        lowered(model)
    lines = str(caught.value).splitlines()
    assert lines[0] == "g: 3 nodes cannot be stored"
    assert [line.split("(")[1].split(")")[0] for line in lines[1:]] == ["Celu", "Mish", "Softsign"]
    assert "in module 'block.Mish', /home/me/net.py:4" in lines[2]


def test_data_that_depends_on_the_batch_is_refused():
    model = parse(
        """
    g (float[n, 2] x) => (float[n, 2] y) {
        shape = Shape<start = 0, end = 1>(x)
        rows = Squeeze(shape)
        range = Range(zero, rows, one)
        column = Unsqueeze(range, ones)
        numbers = Cast<to = 1>(column)
        y = Add(x, numbers)
    }""",
        zero=np.array(0),
        one=np.array(1),
        ones=ints(1),
    )
    with pytest.raises(CompileError, match=r"\(Range\).*depends on the batch size.*--no-dynamic-batch"):
        lowered(model)


def test_a_double_model_is_told_to_become_float():
    model = parse("g (double[n, 2] x) => (double[n, 2] y) { y = Relu(x) }")
    with pytest.raises(CompileError, match=r"is double, the operator computes in float32; .*model.float\(\)"):
        lowered(model)


STUMBLES = [
    ("(float[n, 2] x) => (float[n, 2] y) { r = RandomNormal<shape = [2]>() y = Add(x, r) }", "RandomNormal"),
    ("(float[n, 2] x) => (string[n, 2] y) { y = StringConcat(t, t) z = Relu(x) }", "StringConcat"),
    ("(float[n, 2] x, int64 k) => (seq(float[n, 1]) y) { y = SplitToSequence<axis = 1>(x, k) }", "SplitToSequence"),
]


@pytest.mark.parametrize("text, named", STUMBLES, ids=[named for _, named in STUMBLES])
def test_what_the_passes_stumble_over_is_refused_by_name(text, named):
    constants = {"t": np.array(["a", "b"], object)} if "(t, t)" in text else {}
    with pytest.raises(CompileError, match=named):
        lowered(parse("g " + text, **constants))


def refusal(text: str, **constants) -> list[str]:
    with pytest.raises(CompileError) as caught:
        lowered(parse(f"g {text}", **constants))
    return str(caught.value).splitlines()


def test_what_follows_an_unknown_operator_is_not_reported():
    """Its result has neither type nor shape, so nothing after it has."""
    lines = refusal(
        """(float[n, 2, 4, 4] x) => (float[n, m] y) {
        a = com.microsoft.Swirl(x)
        b = Conv(a, w)
        c = Relu(b)
        d = MaxPool<kernel_shape = [2, 2]>(c)
        e = Flatten(a)
        f = Flatten(d)
        y = Concat<axis = 1>(e, f)
    }""",
        w=random(2, 2, 3, 3),
    )
    assert lines == [
        "g: 1 node cannot be stored",
        "  node 'node' (Swirl): the domain 'com.microsoft' is not supported; export with standard ONNX operators",
    ]


def test_one_line_for_one_kind_of_node():
    """In order of the first of each: two operators, one of them four times, and one for two reasons."""
    lines = refusal(
        """(float[n, 2, 4] x) => (float[n, 2, 4] y, float[n, 2, 4] z) {
        a = Celu(x) b = Celu(a) c = Mish(b) d = Celu(c) e = Celu(d)
        f = Pad<mode = "wrap">(e, pads)
        y = Add(f, x)
        z = Pad(x, less)
    }""",
        pads=ints(0, 0, 0, 0, 0, 0),
        less=ints(0, 0, -1, 0, 0, 1),
    )
    assert lines[0] == "g: 7 nodes cannot be stored" and len(lines) == 5
    assert "(Celu) and 3 more: the operator is not supported" in lines[1] and "(Mish): " in lines[2]
    assert "mode='wrap'" in lines[3] and "negative number" in lines[4]


def test_a_node_that_shape_inference_refuses_is_named_with_its_fault():
    text = "(float[n, 3] x) => (float[n, m] y) { a = MatMul(x, w) b = Relu(a) y = Flatten(b) }"
    lines = refusal(text, w=random(4, 5))
    assert len(lines) == 2 and "(MatMul): ONNX's shape inference refuses it: " in lines[1]
    assert "Incompatible dimensions" in lines[1]


class Advised(nn.Module):
    """What ADVICE tells to write, in place of the operators that it is for."""

    def forward(self, a, b):
        maximum, minimum = b + torch.relu(a - b), a - torch.relu(a - b)
        least, most_ceil = -(-a).amax(1), -torch.floor(-a)
        norm = a / (a * a).sum(1, keepdim=True).sqrt()
        shuffled = a.reshape(-1, 2, 2, 2, 3, 3).permute(0, 1, 4, 2, 5, 3).reshape(-1, 2, 6, 6)
        softplus = torch.log(1 + torch.exp(a))
        return maximum, minimum, least, most_ceil, norm, shuffled, softplus, torch.cat([a, a], 1), a.clamp(min=0.5)


def test_the_advice_can_be_followed():
    torch.manual_seed(0)
    a, b = torch.randn(2, 8, 3, 3), torch.randn(2, 8, 3, 3)
    expected = (
        torch.maximum(a, b),
        torch.minimum(a, b),
        a.amin(1),
        a.ceil(),
        nn.functional.normalize(a, dim=1),
        nn.functional.pixel_shuffle(a, 2),
        nn.functional.softplus(a),
        a.tile(1, 2, 1, 1),
        a.clamp(min=0.5),
    )
    data = compile_model(Advised(), input_shape=[(2, 8, 3, 3), (2, 8, 3, 3)]).data
    for found, wanted in zip(run_dsf(data, a.numpy(), b.numpy()), expected, strict=True):
        np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-5)


def test_a_parameter_that_is_an_input_is_said_to_be_one():
    text = "(float[n, 4] x, int64[1] axes) => (float[n, 1] y) { y = ReduceMean(x, axes) }"
    assert "its input axes is an input of the model, 'axes'; make it a constant" in refusal(text)[1]


@pytest.mark.parametrize("node", ["Reshape(x, s)", "Expand(x, s)", "Resize(x, , , s)", "ConstantOfShape(s)"])
def test_a_shape_that_the_graph_only_declares_is_not_believed(node):
    model = parse(f"g (float[2, 3] x, int64[2] s) => (float[3, 2] y) {{ y = {node} }}")
    with pytest.raises(CompileError, match=r"\): the shape of its result follows from an input of the model, 's'"):
        lowered(model)
