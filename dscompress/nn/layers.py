"""ShiftConv2d and ShiftLinear: nn.Conv2d and nn.Linear whose weights are 0 or ±2^k while they are trained.

The float parameters behind a weight depend on the method (q.py, ps.py); in training mode they are clamped in place
before each forward. `effective_weight` is the exact power-of-two weight that the forward uses, in any mode.
"""

import torch
from torch import nn
from torch.nn import functional

from dscompress.nn.methods import check_bits, method_named


class ShiftLayer(nn.Module):
    """What both layers share: which parameters stand for the weight, and how the weight comes out of them."""

    method: str
    bits: int

    def set_method(self, method: str, bits: int) -> None:
        """Replaces the torch layer's float `weight` by the method's own parameters of the same shape."""
        weight = self._parameters.pop("weight")
        self.method, self.bits = method, bits
        for name in method_named(method).PARAMETERS:
            self.register_parameter(name, nn.Parameter(torch.empty_like(weight)))
        if "bias" in self._parameters:
            self._parameters["bias"] = self._parameters.pop("bias")  # last, as torch's own layers have it

    @property
    def effective_weight(self) -> torch.Tensor:
        return method_named(self.method).effective_weight(self, self.bits)

    def weight_for_forward(self) -> torch.Tensor:
        if self.training and not torch.compiler.is_exporting():
            method_named(self.method).clamp_in_place(self, self.bits)
        return self.effective_weight

    def load_weight(self, weight: torch.Tensor) -> None:
        """Starts from a trained float weight: the nearest that this method and these bits can say."""
        for name, value in method_named(self.method).start_from_weight(weight, self.bits).items():
            trained = weight.requires_grad
            self.register_parameter(name, nn.Parameter(value, requires_grad=trained))

    def reset_parameters(self) -> None:
        if not hasattr(self, "method"):
            return  # called by the torch layer's constructor, before there are parameters to fill
        method_named(self.method).start_from_scratch(self, self.bits)
        if self.bias is not None:
            fan_in = self.in_features if isinstance(self, nn.Linear) else self.fan_in()
            bound = fan_in**-0.5 if fan_in else 0.0
            nn.init.uniform_(self.bias, -bound, bound)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, method={self.method!r}, bits={self.bits}"


class ShiftConv2d(ShiftLayer, nn.Conv2d):
    """nn.Conv2d, all of its arguments, with power-of-two weights: ShiftConv2d(3, 16, 3, method="ps", bits=5)."""

    def __init__(self, *args, method: str = "ps", bits: int = 5, **kwargs) -> None:
        method_named(method), check_bits(bits)
        super().__init__(*args, **kwargs)
        self.set_method(method, bits)
        self.reset_parameters()

    def fan_in(self) -> int:
        return self.in_channels // self.groups * self.kernel_size[0] * self.kernel_size[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._conv_forward(x, self.weight_for_forward(), self.bias)


class ShiftLinear(ShiftLayer, nn.Linear):
    """nn.Linear, all of its arguments, with power-of-two weights: ShiftLinear(64, 10, method="q", bits=5)."""

    def __init__(self, *args, method: str = "ps", bits: int = 5, **kwargs) -> None:
        method_named(method), check_bits(bits)
        super().__init__(*args, **kwargs)
        self.set_method(method, bits)
        self.reset_parameters()

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight_for_forward(), self.bias)
