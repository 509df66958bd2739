"""ONNX models made for tests, and ONNX Runtime as the judge.

ONNX_NODES says how a node of a .dsf file is written in ONNX: the inverse of the compiler's lowering, written
independently of it. In the file constant inputs are attributes; here they become initializers again.
"""

from __future__ import annotations

import numpy as np
import onnx
import onnxruntime
from onnx import TensorProto, helper, numpy_helper

OPSET = 20
onnxruntime.set_default_logger_severity(4)

PLAIN = {}  # attributes go by the same name
GEMM = {"trans_a": "transA", "trans_b": "transB"}

# op: (ONNX operator, attribute names that differ, attributes that are inputs in ONNX, in order from the given place)
ONNX_NODES = {
    "conv": ("Conv", PLAIN, ()),
    "conv_transpose": ("ConvTranspose", PLAIN, ()),
    "gemm": ("Gemm", GEMM, ()),
    "mat_mul": ("MatMul", PLAIN, ()),
    "batch_normalization": ("BatchNormalization", PLAIN, ()),
    "layer_normalization": ("LayerNormalization", PLAIN, ()),
    "relu": ("Relu", PLAIN, ()),
    "sigmoid": ("Sigmoid", PLAIN, ()),
    "tanh": ("Tanh", PLAIN, ()),
    "hard_swish": ("HardSwish", PLAIN, ()),
    "identity": ("Identity", PLAIN, ()),
    "abs": ("Abs", PLAIN, ()),
    "floor": ("Floor", PLAIN, ()),
    "neg": ("Neg", PLAIN, ()),
    "exp": ("Exp", PLAIN, ()),
    "log": ("Log", PLAIN, ()),
    "sqrt": ("Sqrt", PLAIN, ()),
    "reciprocal": ("Reciprocal", PLAIN, ()),
    "erf": ("Erf", PLAIN, ()),
    "leaky_relu": ("LeakyRelu", PLAIN, ()),
    "prelu": ("PRelu", PLAIN, ()),
    "clip": ("Clip", PLAIN, ("min", "max")),
    "elu": ("Elu", PLAIN, ()),
    "hard_sigmoid": ("HardSigmoid", PLAIN, ()),
    "gelu": ("Gelu", PLAIN, ()),
    "softmax": ("Softmax", PLAIN, ()),
    "log_softmax": ("LogSoftmax", PLAIN, ()),
    "add": ("Add", PLAIN, ()),
    "sub": ("Sub", PLAIN, ()),
    "mul": ("Mul", PLAIN, ()),
    "div": ("Div", PLAIN, ()),
    "pow": ("Pow", PLAIN, ()),
    "max_pool": ("MaxPool", PLAIN, ()),
    "average_pool": ("AveragePool", PLAIN, ()),
    "global_average_pool": ("GlobalAveragePool", PLAIN, ()),
    "global_max_pool": ("GlobalMaxPool", PLAIN, ()),
    "reduce_mean": ("ReduceMean", PLAIN, ("axes",)),
    "reduce_sum": ("ReduceSum", PLAIN, ("axes",)),
    "reduce_max": ("ReduceMax", PLAIN, ("axes",)),
    "concat": ("Concat", PLAIN, ()),
    "split": ("Split", PLAIN, ("split",)),
    "slice": ("Slice", PLAIN, ("starts", "ends", "axes", "steps")),
    "pad": ("Pad", PLAIN, ("pads", "value")),
    "reshape": ("Reshape", PLAIN, ("shape",)),
    "flatten": ("Flatten", PLAIN, ()),
    "transpose": ("Transpose", PLAIN, ()),
    "squeeze": ("Squeeze", PLAIN, ("axes",)),
    "unsqueeze": ("Unsqueeze", PLAIN, ("axes",)),
    "expand": ("Expand", PLAIN, ("shape",)),
    "gather": ("Gather", PLAIN, ()),
    "arg_max": ("ArgMax", PLAIN, ()),
    "top_k": ("TopK", PLAIN, ("k",)),
    "resize": ("Resize", PLAIN, ("roi", "scales", "sizes")),
    "cast": ("Cast", PLAIN, ()),
    "constant_of_shape": ("ConstantOfShape", PLAIN, ("shape",)),
}
DIMENSIONS = {("reshape", "shape"), ("expand", "shape"), ("constant_of_shape", "shape"), ("resize", "sizes")}


def one_node_model(op: str, case, batch: int = 0) -> onnx.ModelProto:
    """The case as an ONNX model: inputs x0, x1, ..., outputs y0, y1, ...; N, if any, is `batch` or the case's own."""
    operator, renamed, as_inputs = ONNX_NODES[op]
    attributes = dict(case.attributes)
    batch = batch or batch_of(case)
    for name, value in case.attributes.items():
        if (op, name) in DIMENSIONS:
            attributes[name] = [d if d >= 0 else in_onnx_dimension(op, -d * batch) for d in value]
    if op == "reshape":
        attributes["allowzero"] = 1
    attributes = in_onnx(op, attributes, case)
    names = ["" if a is None else f"x{i}" for i, a in enumerate(case.inputs)]
    constants = {f"x{i}": case.inputs[i] for i in case.weights}
    for name in as_inputs:
        value = attributes.pop(name, None)
        names.append("" if value is None else name)
        if value is not None:
            constants[name] = value
    while names and not names[-1]:
        names.pop()
    outputs = [f"y{i}" for i in range(case.outputs)]
    keywords = {renamed.get(name, name): value for name, value in attributes.items()}
    node = helper.make_node(operator, names, outputs, name="node", **keywords)
    inputs = [
        (f"x{i}", a.dtype, ("N", *a.shape[1:]) if case.batch else a.shape)
        for i, a in enumerate(case.inputs)
        if a is not None and i not in case.weights
    ]
    return graph_model([node], inputs, outputs, constants)


def in_onnx_dimension(op: str, size: int) -> int:
    """What ONNX has for a dimension that moves with the batch: -1 in a Reshape, 1 where an Expand keeps x's own."""
    return {"reshape": -1, "expand": 1}.get(op, size)


def batch_of(case) -> int:
    moving = [a for i, a in enumerate(case.inputs) if a is not None and i not in case.weights]
    return moving[0].shape[0] if case.batch else 0


def in_onnx(op: str, attributes: dict, case) -> dict:
    """Attribute values as ONNX has them, where a new name is not all there is to it."""
    if op in ("clip", "pad"):
        dtype = case.inputs[0].dtype
        attributes.update({k: np.array(attributes[k], dtype) for k in ("min", "max", "value") if k in attributes})
    if op == "cast":
        attributes["to"] = helper.np_dtype_to_tensor_dtype(np.dtype(attributes["to"]))
    if op == "constant_of_shape":
        value = np.array([attributes.get("value", 0.0)]).astype(attributes.pop("dtype", "float32"))
        attributes["value"] = numpy_helper.from_array(value)
    if op == "top_k":
        attributes["k"] = np.array([attributes["k"]], np.int64)
    if op == "resize":
        # The file has sizes and scales; ONNX takes one of them. Scales decide wherever they are no plain ratio.
        attributes["scales"] = np.array(attributes["scales"], np.float32)
        attributes.pop("sizes")
    for name in ("axes", "split", "starts", "ends", "steps", "pads", "shape"):
        if name in attributes and name in ONNX_NODES[op][2]:
            attributes[name] = np.array(attributes[name], np.int64)
    return attributes


def graph_model(nodes, inputs, outputs: list[str], constants: dict[str, np.ndarray]) -> onnx.ModelProto:
    """inputs: (name, dtype, shape) each; the outputs' types are inferred."""
    tensor_type = helper.np_dtype_to_tensor_dtype
    model = helper.make_model(
        helper.make_graph(
            nodes,
            "test",
            [helper.make_tensor_value_info(n, tensor_type(np.dtype(d)), list(s)) for n, d, s in inputs],
            [helper.make_tensor_value_info(n, TensorProto.UNDEFINED, None) for n in outputs],
            [numpy_helper.from_array(np.asarray(a), n) for n, a in constants.items()],
        ),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=10,
    )
    for output in model.graph.output:
        output.ClearField("type")
    inferred = onnx.shape_inference.infer_shapes(model, strict_mode=True, data_prop=True)
    types = {v.name: v.type for v in (*inferred.graph.output, *inferred.graph.value_info)}
    for output in model.graph.output:
        output.type.CopyFrom(types[output.name])
    onnx.checker.check_model(model)
    return model


def run_onnxruntime(model: onnx.ModelProto, feeds: dict[str, np.ndarray]) -> list[np.ndarray]:
    """The model's outputs, one thread, nothing optimised."""
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session.run(None, feeds)
