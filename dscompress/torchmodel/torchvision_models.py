"""torchvision_models: importing torchvision beside a PyTorch that its compiled operators were not built for.

torchvision's wheel is built against a CUDA PyTorch. Beside a CPU one its operators (nms, ...) do not load, and its
import then fails while it describes them to PyTorch. The model definitions need none of them, so a second attempt
leaves those descriptions out.
"""

import importlib
import sys
from collections.abc import Callable
from typing import TypeVar

import torch

Result = TypeVar("Result")


def with_torchvision(action: Callable[[], Result]) -> Result:
    """Runs something that may import torchvision; once more without its operators, if they were what failed."""
    try:
        return action()
    except RuntimeError as error:
        if "torchvision::" not in str(error):
            raise
        import_without_operators()
        return action()


def import_without_operators() -> None:
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    register_fake = torch.library.register_fake

    def register_other_fakes(operator, *arguments, **keywords):
        if isinstance(operator, str) and operator.startswith("torchvision::"):
            return lambda function: function
        return register_fake(operator, *arguments, **keywords)

    torch.library.register_fake = register_other_fakes
    try:
        importlib.import_module("torchvision")
    finally:
        torch.library.register_fake = register_fake
