"""Small .onnx files that would cost much, or that lie about themselves, are refused before they do."""

import itertools

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from dscompress import compile_model
from dscompress.capture import capture, onnx_check
from dscompress.errors import CompileError
from tests.capture.test_onnx import conv, written


def model(nodes, *, opset=18, functions=(), initializers=(), output=TensorProto.FLOAT):
    graph = helper.make_graph(
        nodes, "net", [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 4])],
        [helper.make_tensor_value_info(nodes[-1].output[0], output, ["N", 4])], list(initializers),
    )  # fmt: skip
    imports = [helper.make_opsetid("", opset), helper.make_opsetid("own", 1)]
    return helper.make_model(graph, opset_imports=imports, functions=list(functions), ir_version=8)


def saved(folder, proto: onnx.ModelProto):
    (folder / "hostile.onnx").write_bytes(proto.SerializeToString())
    return folder / "hostile.onnx"


def refused(folder, proto: onnx.ModelProto, match: str) -> None:
    with pytest.raises(CompileError, match=match):
        compile_model(saved(folder, proto))


def function(name: str, nodes) -> onnx.FunctionProto:
    imports = [helper.make_opsetid("", 18), helper.make_opsetid("own", 1)]
    return helper.make_function("own", name, ["a"], ["b"], nodes, imports)


def doubling(depth: int) -> list[onnx.FunctionProto]:
    """Each calls the one before twice."""
    functions = [function("f0", [helper.make_node("Relu", ["a"], ["b"])])]
    for index in range(1, depth):
        twice = [helper.make_node(f"f{index - 1}", [a], [b], domain="own") for a, b in (("a", "c"), ("c", "b"))]
        functions.append(function(f"f{index}", twice))
    return functions


def test_functions_that_double_28_times(tmp_path):
    calls = [helper.make_node("f27", ["x"], ["y"], domain="own")]
    proto = model(calls, functions=doubling(28))
    assert proto.ByteSize() < 4096
    refused(tmp_path, proto, r"its functions expand to 402,653,182 nodes; expected at most 8,192; export it without")


def test_functions_within_the_limit_are_expanded(tmp_path):
    calls = [helper.make_node("f3", ["x"], ["y"], domain="own")]
    assert compile_model(saved(tmp_path, model(calls, functions=doubling(4)))).nodes == 8


def test_calls_in_a_branch_count(tmp_path):
    branch = helper.make_graph(
        [helper.make_node("f27", ["x"], ["z"], domain="own")], "b", [],
        [helper.make_tensor_value_info("z", TensorProto.FLOAT, None)],
    )  # fmt: skip
    on = helper.make_tensor("on", TensorProto.BOOL, [], [True])
    nodes = [helper.make_node("If", ["on"], ["y"], then_branch=branch, else_branch=branch)]
    refused(tmp_path, model(nodes, functions=doubling(28), initializers=[on]), "expand to 805,306,364 nodes")


def test_a_function_that_calls_itself(tmp_path):
    loop = function("f", [helper.make_node("f", ["a"], ["b"], domain="own")])
    refused(tmp_path, model([helper.make_node("f", ["x"], ["y"], domain="own")], functions=[loop]), "'f' calls itself")


def test_a_function_of_many_bytes_called_often(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_check, "MOST_COPIED", 4000)
    weight = helper.make_node("Constant", [], ["w"], value=onnx.numpy_helper.from_array(np.ones(500, np.float32)))
    big = function("f", [weight, helper.make_node("Relu", ["a"], ["b"])])
    calls = [helper.make_node("f", [a], [b], domain="own") for a, b in (("x", "z"), ("z", "y"))]
    refused(tmp_path, model(calls, functions=[big]), r"its functions expand to \d,\d\d\d bytes; expected at most 4,000")


def test_fields_are_counted_before_anything_is_parsed(tmp_path, monkeypatch):
    path = conv(tmp_path)
    capture(path)
    monkeypatch.setattr(onnx_check, "MOST_FIELDS", 20)
    monkeypatch.setattr(onnx.ModelProto, "ParseFromString", None, raising=False)
    with pytest.raises(CompileError, match="has over 20 protobuf fields"):
        capture(path)


def test_nodes_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_check, "MOST_NODES", 2)
    nodes = [helper.make_node("Relu", [a], [b]) for a, b in ("xa", "ab", "by")]
    refused(tmp_path, model(nodes), "has 3 nodes; expected at most 2")


@pytest.mark.parametrize("version", [0, -1, 9999, onnx.defs.onnx_opset_version() + 1])
def test_an_opset_that_nobody_has_defined(tmp_path, version):
    proto = model([helper.make_node("Relu", ["x"], ["y"])], opset=version)
    refused(tmp_path, proto, rf"imports opset {version}; expected 1 to \d+; export it again with opset 20")


def test_two_opsets(tmp_path):
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    proto.opset_import.add(domain="ai.onnx", version=13)
    refused(tmp_path, proto, "imports ONNX's opset 2 times; expected once")


TENSORS = {
    "strings": (dict(data_type=8, dims=[1], string_data=[b"a"]), "holds strings; expected numbers"),
    "an unknown type": (dict(data_type=99, dims=[1], raw_data=b"abcd"), "the unknown element type 99"),
    "no type": (dict(data_type=0, dims=[1]), "the unknown element type 0"),
    "a claim": (dict(data_type=1, dims=[1 << 40]), "0 entries of float_data; expected 1,099,511,627,776 e"),
    "a claim beyond 64 bits": (dict(data_type=1, dims=[1 << 40, 1 << 40], raw_data=b"abcd"), "has 4 entries of raw"),
    "too few": (dict(data_type=1, dims=[4, 2], float_data=[1.0] * 7), "7 entries of float_data; expected 8 entries"),
    "too many": (dict(data_type=10, dims=[2], raw_data=bytes(6)), "has 6 entries of raw_data; expected 4 entries"),
    "two fields": (dict(data_type=1, dims=[1], float_data=[1.0], int64_data=[1]), "float_data and 1 entries of int"),
    "another field": (dict(data_type=7, dims=[1], float_data=[1.0]), "expected 1 entries of int64_data"),
    "below 0": (dict(data_type=1, dims=[-1, -1], float_data=[1.0]), r"has the dimensions \[-1, -1\]"),
    "many dimensions": (dict(data_type=1, dims=[1] * 99, float_data=[1.0]), "has 99 dimensions; expected at most 32"),
    "a long name": (dict(data_type=1, dims=[1], float_data=[1.0], name="w" * 2000), "a name has 2,000 letters"),
}


@pytest.mark.parametrize("kind", TENSORS)
def test_a_tensor_that_is_not_what_it_says(tmp_path, kind):
    fields, found = TENSORS[kind]
    refused(tmp_path, model([helper.make_node("Relu", ["x"], ["y"])], initializers=[TensorProto(**fields)]), found)


@pytest.mark.parametrize("dtype", [value for value in TensorProto.DataType.values() if value not in (0, 8)])
def test_a_tensor_of_every_type_is_what_it_says(dtype):
    """Three entries of each, as ONNX itself stores them, in its field and in raw_data."""
    array = np.ones(3, helper.tensor_dtype_to_np_dtype(dtype))
    onnx_check.check_tensor(onnx.numpy_helper.from_array(array), "file")
    onnx_check.check_tensor(helper.make_tensor("t", dtype, [3], array.tolist()), "file")


def test_a_sparse_weight(tmp_path):
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    values = helper.make_tensor("w", TensorProto.FLOAT, [1], [1.0])
    indices = helper.make_tensor("i", TensorProto.INT64, [1], [0])
    proto.graph.sparse_initializer.append(helper.make_sparse_tensor(values, indices, [1 << 40]))
    refused(tmp_path, proto, "weight 'w' is a sparse tensor; expected a dense one")


def test_an_input_of_an_unknown_type(tmp_path):
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    proto.graph.input[0].type.tensor_type.elem_type = 77
    refused(tmp_path, proto, "a value has the unknown element type 77")


def test_an_input_that_is_no_tensor(tmp_path):
    proto = model([helper.make_node("Relu", ["x"], ["y"])])
    proto.graph.input.append(helper.make_tensor_sequence_value_info("s", TensorProto.FLOAT, None))
    refused(tmp_path, proto, "input 's' is no tensor")


def test_a_size_of_minus_one_is_free(tmp_path):
    path = written(
        tmp_path,
        """
<ir_version: 8, opset_import: ["" : 18]> net (float[N,4] x) => (float[N,4] y) { y = Relu(x) }""",
    )
    proto = onnx.load(path)
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = -1
    assert str(capture(saved(tmp_path, proto)).model.graph.inputs[0].shape[0]) == "N"
    proto.graph.input[0].type.tensor_type.shape.dim[1].dim_value = -1
    refused(tmp_path, proto, r"input 'x' has shape \?,\?; add --input-shape")


@pytest.mark.parametrize("in_a_function", [False, True])
def test_a_shape_that_doubles_is_not_propagated(tmp_path, in_a_function):
    """ONNX's data propagation would write 2^40 dimensions down while the batch is freed."""
    names = ["s", *(f"s{index}" for index in range(40)), "t"]
    nodes = [helper.make_node("Shape", ["a"], ["s"])]
    nodes += [helper.make_node("Concat", [a, a], [b], axis=0) for a, b in itertools.pairwise(names)]
    nodes += [helper.make_node("Relu", ["a"], ["b"])]
    if in_a_function:
        proto = model([helper.make_node("f", ["x"], ["y"], domain="own")], functions=[function("f", nodes)])
    else:
        proto = model([helper.make_node("Identity", ["x"], ["a"]), *nodes])
    proto.graph.input[0].type.tensor_type.shape.dim[0].dim_value = 3
    assert compile_model(saved(tmp_path, proto)).nodes == 1


def test_what_a_library_raises_is_a_refusal_that_keeps_its_cause(tmp_path):
    proto = model([helper.make_node("Relu", ["nowhere"], ["y"])])
    with pytest.raises(CompileError, match="onnx.checker refuses it: ") as caught:
        capture(saved(tmp_path, proto))
    assert isinstance(caught.value.__cause__, onnx.checker.ValidationError)


def test_branches_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx_check, "MOST_BODIES", 1)
    info = helper.make_tensor_value_info("z", TensorProto.FLOAT, None)
    branch = helper.make_graph([helper.make_node("Relu", ["x"], ["z"])], "b", [], [info])
    on = helper.make_tensor("on", TensorProto.BOOL, [], [True])
    nodes = [helper.make_node("If", ["on"], ["y"], then_branch=branch, else_branch=branch)]
    refused(tmp_path, model(nodes, initializers=[on]), "has 2 branches and loops; expected at most 1")


def test_an_attribute_that_is_no_text(tmp_path):
    node = helper.make_node("Gelu", ["x"], ["y"], approximate=b"\xff\xfe")
    refused(tmp_path, model([node], opset=20), "attribute 'approximate' is no UTF-8; expected text")


def test_scopes_that_nest_without_end(tmp_path):
    """Python's own parser gives up on such a text in one of four ways."""
    for text in ("[" * 5000, "-" * 5000 + "1", "[" * 90 + "]" * 90, "{}+" * 5000 + "1"):
        proto = model([helper.make_node("Relu", ["x"], ["y"])])
        proto.graph.node[0].metadata_props.add(key="pkg.torch.onnx.name_scopes", value=text)
        assert compile_model(saved(tmp_path, proto)).nodes == 1


MISFITS = {
    "an axis beyond the dimensions": """(float[6,6] x) => (float[6,2] y, float[6,2] z, float[6,2] u)
        { y, z, u = Split<axis = 1099511627776, num_outputs = 3>(x) }""",
    "strides of another rank": "(float[N,1,5,5] x) => (float y) { y = MaxPool<auto_pad = \"SAME_UPPER\", "
                               "kernel_shape = [3, 3], strides = [2]>(x) }",
    "a kernel of another rank": """(float[N,1,5,5] x) => (float y) <float[4,1,3] w = {1,2,3,4,5,6,7,8,9,10,11,12}>
        { y = Conv<auto_pad = "SAME_LOWER">(x, w) }""",
    "a scale that is infinite": """(float[N,1,5,5] x) => (float y) <float[4] k = {1,1,1e38,1e38}>
        { y = Resize(x, , k) }""",
}  # fmt: skip


@pytest.mark.parametrize("kind", MISFITS)
def test_an_attribute_that_does_not_fit(tmp_path, kind):
    proto = onnx.parser.parse_model(f'<ir_version: 8, opset_import: ["" : 18]> net {MISFITS[kind]}')
    refused(tmp_path, proto, "1 node cannot be stored|would be refused")


@pytest.mark.parametrize("field", [b"Relu", b"x-input", b"a doc string"])
def test_text_that_is_no_utf_8(tmp_path, field):
    proto = model([helper.make_node("Relu", ["x-input"], ["y"], doc_string="a doc string")])
    proto.graph.input[0].name = "x-input"
    path = saved(tmp_path, proto)
    path.write_bytes(path.read_bytes().replace(field, b"\xff" * len(field)))
    with pytest.raises(CompileError, match="is no UTF-8; expected text"):
        compile_model(path)
