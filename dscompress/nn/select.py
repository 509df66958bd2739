"""Which modules a selection names: what convert's skip=, only=, bits= and override= mean.

"fc", "layer4.*"     modules by their name, or a glob pattern over names; a module takes along all that it contains
nn.Linear            modules by their type
First(1), Last(2)    the first or the last n layers that could be converted, in the model's order
"""

import fnmatch
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TypeAlias, TypeGuard

from torch import nn


@dataclass(frozen=True)
class First:
    """The first `layers` convertible layers in named_modules order."""

    layers: int = 1


@dataclass(frozen=True)
class Last:
    """The last `layers` convertible layers in named_modules order."""

    layers: int = 1


Selector: TypeAlias = str | type | First | Last


class Selection:
    """Selectors, checked against one model."""

    def __init__(self, model: nn.Module, selectors: Iterable[Selector] | Selector, argument: str) -> None:
        self.model = model
        self.selectors: tuple[Selector, ...] = (
            (selectors,) if isinstance(selectors, str | type | First | Last) else tuple(selectors)
        )
        for selector in self.selectors:
            check(selector, model, argument)
        order = [module for _, module in model.named_modules() if is_convertible_type(module)]
        self.ends = {end: ends_of(order, end) for end in self.selectors if isinstance(end, First | Last)}

    def match(self, name: str) -> Selector | None:
        """The first selector that names this module or one that contains it."""
        for selector in self.selectors:
            if any(self.names(selector, above) for above in lineage(name)):
                return selector
        return None

    def names(self, selector: Selector, name: str) -> bool:
        if isinstance(selector, str):
            return fnmatch.fnmatchcase(name, selector)
        module = self.model.get_submodule(name)
        if isinstance(selector, type):
            return isinstance(module, selector)
        return any(module is end for end in self.ends[selector])


def lineage(name: str) -> list[str]:
    """The module's own name and those of the modules around it, outermost first; the model itself only for itself."""
    parts = name.split(".")
    return [".".join(parts[:count]) for count in range(1, len(parts) + 1)]


def ends_of(order: Sequence[nn.Module], end: First | Last) -> Sequence[nn.Module]:
    return order[: end.layers] if isinstance(end, First) else order[max(0, len(order) - end.layers) :]


def is_convertible_type(module: nn.Module) -> TypeGuard[nn.Conv2d | nn.Linear]:
    return type(module) in (nn.Conv2d, nn.Linear)


def check(selector: object, model: nn.Module, argument: str) -> None:
    if isinstance(selector, First | Last):
        if type(selector.layers) is not int or selector.layers < 1:
            raise ValueError(f"{argument} holds {selector!r}; it counts layers, at least 1")
    elif not isinstance(selector, str | type):
        raise ValueError(
            f"{argument} holds {selector!r}; it takes names, glob patterns such as 'layer4.*', types, First(n), Last(n)"
        )
    names = [name for name, _ in model.named_modules(remove_duplicate=False)]
    if isinstance(selector, str) and not any(fnmatch.fnmatchcase(name, selector) for name in names):
        shown = ", ".join(name for name in names[:8] if name) + (", ..." if len(names) > 8 else "")
        raise ValueError(f"{argument}={selector!r} matches no module; the model has {shown}")


def shown(selector: Selector) -> str:
    return selector.__name__ if isinstance(selector, type) else repr(selector)
