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

from dscompress.deepshift.inert import Stub, Tensor, Unreadable, shown

# Tried in this order, then every other key
STATE_KEYS = ("state_dict", "model_state_dict", "model", "net", "model_state", "weights", "params", "module")
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
    epoch: int | None = None
    source: str | None = None  # the key of the checkpoint under which the weights were


def layout_of(root: Any) -> Layout:
    checkpoint = root if isinstance(root, dict) else {}
    for key in (None, *STATE_KEYS, *(key for key in checkpoint if type(key) is str)):
        found = layout_of_weights(root if key is None else checkpoint.get(key))
        if found is not None:
            found.source = key
            arch, epoch = checkpoint.get("arch"), checkpoint.get("epoch")
            found.arch = arch if is_name(arch) else None
            found.epoch = epoch if type(epoch) is int else None
            return found
    shown_keys = ", ".join(shown(str(key)) for key in list(checkpoint)[:8] if type(key) is str)
    what = f"it has {shown_keys}" if shown_keys else "it holds no dict and no module"
    raise Unreadable(f"holds no weights ({what})", damage=False, unusual=True)


def is_name(value: Any) -> bool:
    return type(value) is str and 0 < len(value) < 100 and value.isascii() and value.isprintable()


def layout_of_weights(value: Any) -> Layout | None:
    if isinstance(value, dict):
        tensors = {key: item for key, item in value.items() if isinstance(item, Tensor) and type(key) is str}
        others = [key for key in value if key not in tensors and not is_extra(key, value[key])]
        return strip_prefixes(Layout(checked_keys(tensors))) if tensors and not others else None
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
        skipped = state.get("_non_persistent_buffers_set", ())
        for kind in ("_parameters", "_buffers"):
            for name, tensor in items_of(state.get(kind)):
                if isinstance(tensor, Tensor) and not (isinstance(skipped, (list, tuple)) and name in skipped):
                    found.tensors[f"{path}{name}"] = tensor
        note_shift_layer(found, path.removesuffix("."), child)
        if found.class_name == "DataParallel" and path == "module.":
            found.class_name = child.name.rpartition(" ")[2]
    checked_keys(found.tensors)
    return strip_prefixes(found)


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
