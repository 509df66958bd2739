"""fold_budget: what may be computed from the parameters of a program that came out of a file, before it is computed.

An operator is run on tensors without numbers first, which says the size of what it makes. It is evaluated if it is
known to take time and memory in proportion to its inputs, its output and its multiplications, and if there is enough
left of the budget, which grows with the weights. What is not evaluated stays an operator of the graph.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._pytree import tree_leaves, tree_map_only
from torch.utils.flop_counter import FlopCounterMode

LARGEST_INPUT = 1 << 27  # elements of all inputs together, for which a program is captured once more
MOST_MADE = 1 << 24  # elements, beside 32 times the weights: a layer that rounds its weights makes some 10 of each
MOST_STEPS = 1 << 35  # multiplications, and elements read and made, beside 128 times the weights

# Beside those that PyTorch tags as element by element.
LINEAR = {
    "_log_softmax", "_softmax", "_to_copy", "_unsafe_view", "_weight_norm", "_weight_norm_interface", "addmm",
    "alias", "all", "amax", "amin", "any", "argmax", "argmin", "baddbmm", "bmm", "cat", "chunk", "clone",
    "constant_pad_nd", "contiguous", "conv1d", "conv2d", "convolution", "cumsum", "detach", "diagonal", "dot",
    "empty_like", "expand", "expand_as", "flatten", "flip", "full_like", "gather", "index", "index_select",
    "lift_fresh_copy", "linalg_vector_norm", "linear", "log_softmax", "mH", "mT", "masked_fill", "matmul", "max",
    "mean", "min", "mm", "movedim", "mv", "narrow", "norm", "ones_like", "pad", "permute", "prod", "repeat",
    "reshape", "roll", "select", "slice", "softmax", "split", "split_with_sizes", "squeeze", "stack", "std", "sum",
    "t", "tile", "to", "transpose", "tril", "triu", "unbind", "unflatten", "unsqueeze", "var", "var_mean", "vdot",
    "view", "view_as", "zeros_like",
}  # fmt: skip
# What torch.nn.utils.parametrizations.orthogonal computes with: a few products with a matrix of the inputs' size.
CUBIC = {"linalg_householder_product", "linalg_inv", "linalg_matrix_exp", "linalg_qr", "linalg_solve", "matrix_exp"}
PRODUCTS = 32
PARTS, LONGEST_IN_PARTS = {"chunk", "split", "split_with_sizes", "unbind"}, 1 << 13  # each part is a tensor of its own


@dataclass
class Budget:
    made: int
    steps: int

    @classmethod
    def of(cls, tensors: list[torch.Tensor]) -> Budget:
        held = sum(tensor.numel() for tensor in tensors)
        return cls(MOST_MADE + 32 * held, MOST_STEPS + 128 * held)

    def allows(self, target: Any, arguments: tuple, keywords: dict) -> bool:
        """Whether to evaluate this call; then it is counted."""
        name = target._overloadpacket.__name__
        if torch.Tag.pointwise not in target.tags and name not in LINEAR | CUBIC:
            return False
        if name in PARTS and longest(arguments) > LONGEST_IN_PARTS:
            return False
        counter = FlopCounterMode(display=False)
        try:
            with FakeTensorMode() as mode, torch.no_grad():
                bare = tree_map_only(torch.Tensor, mode.from_tensor, (arguments, keywords))
                with counter:
                    results = target(*bare[0], **bare[1])
        except Exception:  # its size depends on numbers, or it would fail: the translation says so
            return False
        made, given = elements(results), elements((arguments, keywords))
        steps = made + given + counter.get_total_flops()
        if name in CUBIC:
            steps += PRODUCTS * given * longest(arguments)
        if made > self.made or steps > self.steps:
            return False
        self.made, self.steps = self.made - made, self.steps - steps
        return True


def elements(tree: Any) -> int:
    return sum(leaf.numel() for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor))


def longest(tree: Any) -> int:
    return max((size for leaf in tree_leaves(tree) if isinstance(leaf, torch.Tensor) for size in leaf.shape), default=1)
