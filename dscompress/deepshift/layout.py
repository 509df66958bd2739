"""layout: where the weights are in what a file holds, and what else it says about them.

    weights.pth           {key: tensor}
    checkpoint.pth.tar    {"state_dict": {key: tensor}, "arch": "resnet18", "epoch": ..., "optimizer": ..., ...}
    model.pth             a module, pickled whole: its parameters, buffers and attributes are read out of its state

Keys may begin with module. (DataParallel around the model) or hold features.module. (around its features alone).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from dscompress.torchfile.inert import Stub, Tensor, Unreadable, shown
from dscompress.torchfile.weight_sets import Shapes, choose, find_sets, is_unnamed, plain_key

WRAPPERS = ("module.", "_orig_mod.")
MOST_MODULES = MOST_TENSORS = 50_000
MOST_DEPTH = 64
MOST_KEY = 300

# The original's layers, by the last part of their class's name
SHIFT_CLASSES = {"Conv2dShift": "ps", "LinearShift": "ps", "Conv2dShiftQ": "q", "LinearShiftQ": "q"}


@dataclass
class Layout:
    """tensors: key without prefixes → where its bytes are. layers: path → (method, lowest shift), of a whole module."""

    tensors: dict[str, Tensor]
    arch: str | None = None
    prefixes: list[str] = field(default_factory=list)
    layers: dict[str, tuple[str, int | None]] = field(default_factory=dict)
    activation_bits: tuple[int, int] | None = None
    class_name: str | None = None
    transform_input: bool | None = None  # of a whole module: whether it normalises its input once more
    epoch: int | None = None
    source: str | None = None  # the keys of the checkpoint under which the weights were, joined with dots
    left_out: list[str] = field(default_factory=list)  # keys that do not begin with the prefix


def layout_of(root: Any, where: str = "", weights_key: str | None = None, prefix: str | None = None) -> Layout:
    """weights_key, prefix: which weights, where the file holds several sets, and what their keys begin with."""
    checkpoint = root if isinstance(root, dict) else {}
    found = sets_of(root)
    if not found or all(is_unnamed(layout.tensors) for layout in found.values()):
        raise no_weights(checkpoint)
    for layout in found.values():
        checked_keys(layout.tensors)
    chosen = choose(shapes_of(found), None, weights_key, prefix, where)
    layout = found[chosen.key]
    layout = strip_prefixes(layout) if prefix is None else only_under(layout, chosen.prefix)
    layout.source = chosen.key or None
    arch, epoch = checkpoint.get("arch"), checkpoint.get("epoch")
    layout.arch = arch if is_name(arch) else None
    layout.epoch = epoch if type(epoch) is int else None
    return layout


def sets_of(root: Any) -> dict[str, Layout]:
    """Every set of weights in the file by its keys, joined with dots."""
    return find_sets(root, layout_of_weights, parts_of)


def shapes_of(sets: dict[str, Layout]) -> dict[str, Shapes]:
    return {key: {name: tensor.shape for name, tensor in layout.tensors.items()} for key, layout in sets.items()}


def parts_of(value: Any) -> dict | None:
    """What a dict or an object that was not made has in it."""
    held = value.state if isinstance(value, Stub) else value
    return held if isinstance(held, dict) else None


def no_weights(checkpoint: dict) -> Unreadable:
    shown_keys = ", ".join(shown(str(key)) for key in list(checkpoint)[:8] if type(key) is str)
    what = f"it has {shown_keys}" if shown_keys else "it holds no dict and no module"
    return Unreadable(f"holds no weights ({what})", damage=False, unusual=True)


def is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) < 100 and value.isascii() and value.isprintable()


def layout_of_weights(value: Any) -> Layout | None:
    if isinstance(value, dict):
        tensors = {key: item for key, item in value.items() if isinstance(item, Tensor) and type(key) is str}
        others = [key for key in value if key not in tensors and not is_extra(key, value[key])]
        return Layout(tensors) if tensors and not others else None
    if isinstance(value, (list, tuple)) and len(value) > 1 and all(isinstance(item, Tensor) for item in value):
        return Layout({str(place): item for place, item in enumerate(value)})
    if isinstance(value, Stub) and isinstance(value.state, dict) and isinstance(value.state.get("_modules"), dict):
        return layout_of_module(value)
    return None


def is_extra(key: Any, value: Any) -> bool:
    return type(key) is str and (value is None or key.endswith("_extra_state") or key == "_metadata")


def checked_keys(tensors: dict[str, Tensor]) -> dict[str, Tensor]:
    if len(tensors) > MOST_TENSORS:
        raise Unreadable(f"holds {len(tensors):,} tensors, more than any network has", damage=False)
    for key in tensors:
        if len(key) > MOST_KEY or not key.isprintable():
            raise Unreadable(f"holds a tensor called {shown(key)}, which no layer is called", damage=False)
    return tensors


def strip_prefixes(found: Layout) -> Layout:
    for prefix in WRAPPERS * 2:
        if all(key.startswith(prefix) for key in found.tensors):
            renamed(found, prefix, lambda key, prefix=prefix: key.removeprefix(prefix))
    if any(key.startswith("features.module.") for key in found.tensors):
        renamed(found, "features.module.", lambda key: key.replace("features.module.", "features.", 1))
    return found


def only_under(found: Layout, prefix: str) -> Layout:
    """The keys that begin with the prefix, without it."""
    found.left_out = [key for key in found.tensors if not plain_key(key).startswith(prefix)]
    found.tensors = {key: tensor for key, tensor in found.tensors.items() if plain_key(key).startswith(prefix)}
    renamed(found, prefix, lambda key: plain_key(key).removeprefix(prefix))
    found.prefixes = [prefix] * bool(prefix)
    return found


def renamed(found: Layout, prefix: str, name: Any) -> None:
    new = {name(key): tensor for key, tensor in found.tensors.items()}
    if len(new) != len(found.tensors):
        raise Unreadable(f"holds the same key with and without {prefix!r}", damage=False)
    found.tensors, found.prefixes = new, [*found.prefixes, prefix]
    found.layers = {name(f"{path}.").removesuffix("."): layer for path, layer in found.layers.items()}


def layout_of_module(module: Stub) -> Layout:
    found = Layout({}, class_name=module.name.rpartition(" ")[2])
    for path, child in modules_in(module):
        state = child.state
        if path in ("", "module.") and type(state.get("transform_input")) is bool:
            found.transform_input = state["transform_input"]
        skipped = state.get("_non_persistent_buffers_set", ())
        for kind in ("_parameters", "_buffers"):
            for name, tensor in items_of(state.get(kind)):
                if isinstance(tensor, Tensor) and not (isinstance(skipped, (list, tuple)) and name in skipped):
                    found.tensors[f"{path}{name}"] = tensor
        note_shift_layer(found, path.removesuffix("."), child)
        if found.class_name == "DataParallel" and path == "module.":
            found.class_name = child.name.rpartition(" ")[2]
    return found


def modules_in(module: Stub) -> Iterator[tuple[str, Stub]]:
    """("layer1.0.", its stub), parents first and in the order of registration, as named_modules has it."""
    waiting, count = [("", module, 0)], 0
    while waiting:
        path, child, depth = waiting.pop()
        count += 1
        if count > MOST_MODULES or depth > MOST_DEPTH or len(path) > MOST_KEY:
            raise Unreadable("holds a module of more modules than any network has", damage=False)
        if not isinstance(child.state, dict):
            continue
        yield path, child
        children = [(name, value) for name, value in items_of(child.state.get("_modules")) if isinstance(value, Stub)]
        waiting.extend((f"{path}{name}.", value, depth + 1) for name, value in reversed(children))
        if len(waiting) > MOST_MODULES:
            raise Unreadable("holds a module of more modules than any network has", damage=False)


def items_of(value: Any) -> list[tuple[str, Any]]:
    return [(name, item) for name, item in value.items() if type(name) is str] if isinstance(value, dict) else []


def note_shift_layer(found: Layout, path: str, module: Stub) -> None:
    """Plain attributes of the original's layers: the range of shifts, and the activations' bits."""
    method = SHIFT_CLASSES.get(module.name.rpartition(" ")[2])
    if method is None:
        return
    ranged = module.state.get("shift_range")
    lowest = ranged[0] if isinstance(ranged, (tuple, list)) and ranged and type(ranged[0]) in (int, float) else None
    found.layers[path] = (method, int(lowest) if lowest is not None and -64 < lowest <= 0 else None)
    bits = tuple(module.state.get(f"act_{part}_bits") for part in ("integer", "fraction"))
    if all(type(number) is int and 0 < number <= 32 for number in bits):
        found.activation_bits = bits
