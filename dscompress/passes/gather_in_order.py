"""gather_in_order: a Gather that takes every element in order is a Reshape.

    before   Gather(x [768 * N], indices [N, 768, 1, 1] = 0, 1, 2, ...)
    after    Reshape(x, [-1, 768, 1, 1])

PyTorch's exporter writes as_strided of a contiguous tensor this way; the indices are computed from the batch size.

Left alone: any other indices, an x of more than one dimension, a result with two dimensions that follow the batch.
"""

from __future__ import annotations

import numpy as np
import onnx_ir as ir

from dscompress.passes import batch


class GatherInOrder(ir.passes.InPlacePass):
    def call(self, model: ir.Model) -> ir.passes.PassResult:
        found = [node for node in model.graph if node.op_type == "Gather" and takes_all_in_order(node)]
        for node in found:
            data, y = node.inputs[0], node.outputs[0]
            shape = [max(d, -1) for d in batch.dimensions(y)]
            target = ir.Value(
                name=f"{y.name}_shape",
                type=ir.TensorType(ir.DataType.INT64),
                shape=ir.Shape([len(shape)]),
                const_value=ir.tensor(np.array(shape, np.int64), name=f"{y.name}_shape"),
            )
            model.graph.register_initializer(target)
            reshape = ir.node("Reshape", [data, target], name=node.name, metadata_props=dict(node.metadata_props))
            reshape.outputs[0].name, reshape.outputs[0].shape, reshape.outputs[0].type = y.name, y.shape, y.type
            ir.convenience.replace_nodes_and_values(model.graph, node, [node], [reshape], [y], reshape.outputs)
        return ir.passes.PassResult(model, modified=bool(found))


def takes_all_in_order(node: ir.Node) -> bool:
    data, indices = node.inputs
    if data is None or indices is None or data.shape is None or len(data.shape) != 1 or node.outputs[0].shape is None:
        return False
    if sum(d < 0 for d in batch.dimensions(node.outputs[0])) > 1:
        return False
    arrays = indices.meta.get("per_batch")
    if arrays is None and indices.is_initializer():
        arrays = (indices.const_value.numpy(),) * 2  # type: ignore[union-attr]
    if arrays is None:
        return False
    length = batch.dimensions(data)[0]
    lengths = [length if length >= 0 else -length * size for size in batch.BATCHES]
    return all(
        array.size == size and np.array_equal(array.reshape(-1), np.arange(size))
        for array, size in zip(arrays, lengths, strict=True)
    )
