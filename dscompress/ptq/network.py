"""Network: an exported program as a flat list of operators, its weights by name, and which of its layers are converted.

torch.export gives the operators in the order in which they run, in-place ones made plain; a weight keeps the name that
it has in the state_dict.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import fx

from dscompress.ptq.layers import KINDS, Layer
from dscompress.torchmodel.quiet import quiet

aten = torch.ops.aten

BATCH_NORM = aten._native_batch_norm_legit_no_training.default  # (x, weight, bias, mean, var, momentum, epsilon)

# Operators that multiply by a weight and are not converted: what people call them.
OTHERS = {
    "conv3d": "Conv3d", "conv_transpose1d": "ConvTranspose1d", "conv_transpose2d": "ConvTranspose2d",
    "conv_transpose3d": "ConvTranspose3d", "lstm": "LSTM", "gru": "GRU", "rnn_tanh": "RNN", "rnn_relu": "RNN",
    "embedding": "Embedding", "bilinear": "Bilinear", "matmul": "matmul", "mm": "matmul", "bmm": "matmul",
    "addmm": "addmm", "baddbmm": "baddbmm", "einsum": "einsum",
}  # fmt: skip

ALREADY = "its weights are powers of two already"


@dataclass(frozen=True)
class Left:
    """A layer that keeps its float weight, and why."""

    name: str
    kind: str
    reason: str


@dataclass
class Network:
    """state: every weight, buffer and constant by name, as float32; never changed in place."""

    graph: fx.Graph
    state: dict[str, torch.Tensor]
    layers: dict[fx.Node, Layer] = field(default_factory=dict)
    left: list[Left] = field(default_factory=list)
    batch_norms: list[fx.Node] = field(default_factory=list)  # whose running statistics nobody else reads


def network_of(program: torch.export.ExportedProgram) -> Network:
    with quiet(), torch.no_grad():
        module = program.run_decompositions({}).module(check_guards=False)
    held = [node.target for node in module.graph.nodes if node.op == "get_attr"]
    state = {name: tensor.detach() for name in held if isinstance(tensor := attribute(module, name), torch.Tensor)}
    network = Network(module.graph, state)
    readers = count_readers(network)
    for node in module.graph.nodes:
        if node.op != "call_function":
            continue
        if node.target is aten.view.default:
            node.target = aten.reshape.default  # real tensors may lie otherwise in memory than those that were traced
        if node.target in KINDS:
            add_layer(network, node, readers)
        elif node.target is BATCH_NORM:
            if all(readers[network.state[argument.target].data_ptr()] == 1 for argument in node.args[3:5]):
                network.batch_norms.append(node)
        elif name_of_operator(node) in OTHERS and any(is_weight(network, source) for source in node.all_input_nodes):
            kind = OTHERS[name_of_operator(node)]
            network.left.append(Left(name_of(node, ""), kind, f"{kind} is of a type that is not converted"))
    return network


def source_of(node: fx.Node, place: int) -> fx.Node:
    """The node that one of the arguments comes from."""
    found = node.args[place]
    assert isinstance(found, fx.Node)
    return found


def name_of_source(node: fx.Node, place: int) -> str:
    """The name of the weight or buffer that one of the arguments is."""
    return str(source_of(node, place).target)


def attribute(module: torch.nn.Module, name: str):
    for part in name.split("."):
        module = getattr(module, part)
    return module


def count_readers(network: Network) -> Counter:
    """How many operators read each piece of memory: tied weights are one piece with two names."""
    readers: Counter = Counter()
    for node in network.graph.nodes:
        if node.op == "get_attr" and node.target in network.state:
            readers[network.state[node.target].data_ptr()] += len(node.users)
    return readers


def add_layer(network: Network, node: fx.Node, readers: Counter) -> None:
    source, weight_name = source_of(node, 1), name_of_source(node, 1)
    constant = source.op == "get_attr" and weight_name in network.state
    name = name_of(node, weight_name if constant else "")
    kind = {"linear": "Linear", "conv1d": "Conv1d", "conv2d": "Conv2d"}[name_of_operator(node)]
    reason = None if constant else reason_not_constant(network, source)
    if constant:
        weight = network.state[weight_name]
        if readers[weight.data_ptr()] > 1:
            reason = "other operators read its weight too"
        elif weight.dtype != torch.float32:
            reason = f"its weight is {str(weight.dtype).removeprefix('torch.')}, not float32"
        elif is_shift(weight):
            reason = ALREADY
    if reason:
        network.left.append(Left(name, kind, reason))
    else:
        network.layers[node] = layer_of(network, node, name, kind)


def reason_not_constant(network: Network, source: fx.Node) -> str:
    if all_constant(network, source):
        if is_shift(computed(network, source)):
            return ALREADY
        return "its weight is computed from other parameters; remove the parametrisation first"
    return "its weight is computed from the input"


def all_constant(network: Network, node: fx.Node) -> bool:
    if node.op == "get_attr":
        return True
    return (
        node.op == "call_function"
        and bool(node.all_input_nodes)
        and all(all_constant(network, source) for source in node.all_input_nodes)
    )


def computed(network: Network, source: fx.Node) -> torch.Tensor:
    """What a node gives that reads parameters alone: a shift layer's weight, from its shifts and signs."""
    if source.op == "get_attr":
        return network.state[str(source.target)]
    argument = lambda node: computed(network, node)  # noqa: E731
    with torch.no_grad():
        operator: Any = source.target
        return operator(*fx.map_arg(source.args, argument), **fx.map_arg(source.kwargs, argument))


def is_weight(network: Network, node: fx.Node) -> bool:
    """A matrix of parameters, perhaps transposed or split."""
    value = node.meta.get("val")
    if isinstance(value, torch.Tensor) and value.dim() < 2:
        return False
    return all_constant(network, node)


def is_shift(weight: torch.Tensor) -> bool:
    """Whether the encoder would store it as powers of two at 5 bits or fewer, as it is."""
    from dscompress.compile.encode import encode
    from dsruntime.forms import Codes

    form = encode(weight.numpy(), tuple(range(weight.dim()))).form
    return isinstance(form, Codes) and form.bits <= 5


def layer_of(network: Network, node: fx.Node, name: str, kind: str) -> Layer:
    arguments = normalized(node)
    weight, bias = name_of_source(node, 1), arguments.get("bias")
    shape = tuple(network.state[weight].shape)
    found = Layer(
        name=name,
        kind=kind,
        node=node,
        weight=weight,
        bias=bias.target if bias is not None and bias.op == "get_attr" and len(bias.users) == 1 else None,
        shape=shape,
        batch_norm=batch_norm_after(node),
    )
    if kind == "Linear":
        return found
    dimensions = len(shape) - 2
    stride, dilation = (repeated(arguments.get(key, 1), dimensions) for key in ("stride", "dilation"))
    padding = pads(arguments.get("padding", 0), shape[2:], dilation)
    values = {**found.__dict__, "stride": stride, "dilation": dilation, "padding": padding}
    return Layer(**{**values, "groups": arguments.get("groups", 1)})


def normalized(node: fx.Node) -> dict:
    operator: Any = node.target
    names = [argument.name for argument in operator._schema.arguments]
    return {**dict(zip(names, node.args, strict=False)), **node.kwargs}


def repeated(value, count: int) -> tuple[int, ...]:
    values = [value] if isinstance(value, int) else list(value)
    return tuple(values * count if len(values) == 1 else values)


def pads(padding, kernel: tuple[int, ...], dilation: tuple[int, ...]) -> tuple[int, ...]:
    """As functional.pad takes them: last dimension first, before and after."""
    if padding == "same":
        totals = [d * (k - 1) for k, d in zip(kernel, dilation, strict=True)]
        both = [(total // 2, total - total // 2) for total in totals]
    elif padding == "valid":
        both = [(0, 0)] * len(kernel)
    else:
        both = [(pad, pad) for pad in repeated(padding, len(kernel))]
    return tuple(pad for pair in reversed(both) for pad in pair)


def batch_norm_after(node: fx.Node) -> fx.Node | None:
    users = list(node.users)
    return users[0] if len(users) == 1 and users[0].target is BATCH_NORM else None


def name_of_operator(node: fx.Node) -> str:
    return node.target._schema.name.split("::")[-1] if hasattr(node.target, "_schema") else ""


def name_of(node: fx.Node, weight: str) -> str:
    """The layer's path in the module: of its weight where there is one, else where the operator stands."""
    if weight:
        return weight.rpartition(".")[0] or weight
    modules = node.meta.get("nn_module_stack") or {}
    path = list(modules.values())[-1][0] if modules else ""
    return path or node.name
