"""archive_operators: which operators a .pt2 archive may name. An export runs them, on shapes or on the weights.

    torch.ops.aten.conv2d.default      on tensors
    torch.ops.aten.arange.default      makes a tensor of numbers: MAKERS
    torch.ops.higher_order.cond        control flow: CONTROL_FLOW
    _operator.mul, torch.sym_max       arithmetic on sizes

Not those that take a file's name, nor what is TorchScript's alone: its aten::save writes files.
"""

import re
from functools import cache

import torch

ON_TENSORS = re.compile(r"torch\.ops\.(aten|prims)\.(\w+)\.(\w+)")
CONTROL_FLOW = re.compile(
    r"torch\.ops\.higher_order\.(cond|while_loop|scan|map_impl|invoke_subgraph|wrap_with_set_grad_enabled|wrap_with_autocast)"
)
ON_SIZES = re.compile(
    r"torch\.sym_\w+|math\.(ceil|floor|trunc|sqrt)|"
    r"_operator\.(getitem|add|sub|mul|truediv|floordiv|mod|neg|pos|pow|eq|ne|lt|le|gt|ge|and_|or_|not_)"
)
MAKERS = frozenset(
    "arange bartlett_window blackman_window empty empty_permuted empty_strided eye full hamming_window hann_window "
    "iota kaiser_window linspace logspace ones rand randint randn randperm range scalar_tensor tril_indices "
    "triu_indices zeros _assert_scalar sym_constrain_range sym_constrain_range_for_size".split()
)


def is_plain_operator(target: object) -> bool:
    if not isinstance(target, str):
        return False
    match = ON_TENSORS.fullmatch(target)
    if match is None:
        return bool(CONTROL_FLOW.fullmatch(target) or ON_SIZES.fullmatch(target))
    namespace, name, overload = match.groups()
    operator = getattr(getattr(getattr(torch.ops, namespace), name, None), overload, None)
    if operator is None:  # of a newer PyTorch: this one's loader says that it does not know it
        return True
    full_name = f"{namespace}::{name}" + ("" if overload == "default" else f".{overload}")
    return full_name in known() and is_plain_schema(name, operator._schema)


def is_plain_schema(name: str, schema: torch.FunctionSchema) -> bool:
    if any(argument.name == "filename" for argument in schema.arguments):
        return False
    return name in MAKERS or any("Tensor" in str(argument.type) for argument in schema.arguments)


@cache
def known() -> frozenset[str]:
    """What PyTorch's dispatcher has, without what TorchScript adds."""
    return frozenset(torch._C._dispatch_get_all_op_names())
