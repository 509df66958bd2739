"""Networks by name, for checkpoints that hold weights alone: one file a data set, its table of names at the end.

BUILT_IN has those that `dscompress train` knows by a bare name. To add one, add a line.

    small_*     digits.py: classes, channels, width; gray or colour, 8x8 to 32x32
    cifar_*     cifar.py, DeepShift's for CIFAR: classes; colour, 32x32
"""

from collections.abc import Callable

from torch import nn

from dscompress.models import cifar, digits

BUILT_IN: dict[str, Callable[..., nn.Module]] = {
    "small_resnet": digits.small_resnet,
    "small_mobilenet": digits.small_mobilenet,
    **{f"cifar_{name}": build for name, build in cifar.MODELS.items()},
}
