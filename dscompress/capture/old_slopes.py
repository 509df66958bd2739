"""old_slopes: before opset 7 the slopes of a PRelu belong to the channels, since then to the last dimensions.

    before   PRelu(x [N, 3, 4, 5], slope [3])
    after    PRelu(x [N, 3, 4, 5], Reshape(slope, [-1, 1, 1]))

ONNX's version converter leaves the slopes as they are: refused afterwards, or, where the last dimension is as large as
the channels, another function.
"""

from __future__ import annotations

import onnx

from dscompress.errors import CompileError

LAST_BY_CHANNEL = 6


def spread_slopes(converted: onnx.ModelProto, where: str) -> None:
    """Changes the model. Raises CompileError where the rank of an input is unknown."""
    inferred = onnx.shape_inference.infer_shapes(converted).graph
    shapes = {
        value.name: value.type.tensor_type.shape.dim
        for value in (*inferred.input, *inferred.value_info)
        if value.type.tensor_type.HasField("shape")
    }
    nodes = list(converted.graph.node)
    del converted.graph.node[:]
    for node in nodes:
        if node.op_type == "PRelu":
            if node.input[0] not in shapes:
                found = f"node '{node.name or node.output[0]}' (PRelu of opset {LAST_BY_CHANNEL}) has an unknown input"
                raise CompileError(where, found, "one of known rank", "export it again with opset_version=18 or newer")
            spread(converted.graph, node, len(shapes[node.input[0]]))
        converted.graph.node.append(node)


def spread(graph: onnx.GraphProto, node: onnx.NodeProto, rank: int) -> None:
    if rank <= 2:
        return
    name = f"{node.output[0]}_slope"
    shape = onnx.helper.make_tensor(f"{name}_shape", onnx.TensorProto.INT64, [rank - 1], [-1] + [1] * (rank - 2))
    graph.initializer.append(shape)
    graph.node.append(onnx.helper.make_node("Reshape", [node.input[1], shape.name], [name], name=name))
    node.input[1] = name
