"""fill: the weights of a file into the module that they belong to. All of them, and nothing else.

    file's key                                     module's key
    net.0.weight                                   0.weight          one prefix makes all keys fit
    0._orig_mod.weight                             0.weight          torch.compile, FSDP
    0.weight_orig · 0.weight_mask                  0.weight          torch.nn.utils.prune
    0.weight_g, 0.weight_v                         0.weight          torch.nn.utils.weight_norm
    0.weight_g, 0.weight_v                         0.parametrizations.weight.original0, 1
    encoder.weight                                 encoder.weight, decoder.weight    one tensor of the module

Left out: n_averaged, the counts that profilers leave, and the weights of a loss or metric that was saved beside the
network. All of it is said in notes.
"""

import re
from collections.abc import Iterable, Mapping
from typing import Any

import torch

from dscompress.changes import note_dtypes
from dscompress.errors import CompileError
from dscompress.torchfile.weight_sets import COUNTER, choose, plain_key

LEFTOVERS = ("n_averaged", "total_ops", "total_params")  # torch.optim.swa_utils; thop
BESIDE = re.compile(r"(?:\w+_)?(?:loss(?:es)?|criteri(?:on|a)|metrics?)(?:_\w+)?", re.IGNORECASE)  # what is no layer's
LISTED = 10
Sources = dict[str, tuple[str, ...]]


def fill(
    built: torch.nn.Module, weights: Mapping, model: str | None, where: str, notes: list[str], prefix: str | None = None
) -> Sources:
    """For each key of the module the keys of the file that its tensor was made of. CompileError: they do not fit."""
    own = built.state_dict()
    tied = tied_keys(built)
    chosen = choose({"": shapes_of(weights)}, shapes_of(own), None, prefix, where, tied)
    sources = under_prefix(weights, chosen.prefix, notes)
    sources = without_leftovers(sources, own, notes)
    tensors = {key: weights[file_keys[0]] for key, file_keys in sources.items()}
    for compose in (pruned, weight_norm, new_weight_norm):
        compose(tensors, sources, own, notes)
    for key, other in tied.items():
        for one, same in ((key, other), (other, key)):
            if one not in tensors and same in tensors and one in own:
                tensors[one], sources[one] = tensors[same], sources[same]
    refuse_misfits(tensors, own, model, where)
    refuse_torn_ties(tensors, tied, where)
    floats = {value.dtype for value in tensors.values() if is_float(value)}
    note_dtypes((str(dtype).removeprefix("torch.") for dtype in floats), notes)
    built.load_state_dict({name: tensors[plain_key(name)] for name in own if plain_key(name) in tensors}, strict=False)
    return sources


def shapes_of(weights: Mapping[str, Any]) -> dict[str, tuple[int, ...]]:
    return {key: tuple(value.shape) for key, value in weights.items() if isinstance(value, torch.Tensor)}


def is_float(value: Any) -> bool:
    return isinstance(value, torch.Tensor) and value.is_floating_point()


def tied_keys(built: torch.nn.Module) -> dict[str, str]:
    """Keys whose tensor is that of a key before, and that key."""
    first: dict[int, str] = {}
    named = [*built.named_parameters(remove_duplicate=False), *built.named_buffers(remove_duplicate=False)]
    return {plain_key(key): first[id(tensor)] for key, tensor in named
            if first.setdefault(id(tensor), plain_key(key)) != plain_key(key)}  # fmt: skip


def under_prefix(weights: Mapping[str, Any], prefix: str, notes: list[str]) -> Sources:
    plain = {key: plain_key(key) for key in weights}
    found: Sources = {name.removeprefix(prefix): (key,) for key, name in plain.items() if name.startswith(prefix)}
    if any(key != name for key, name in plain.items()):
        notes.append("what torch.compile or FSDP put into the keys was left out")
    if prefix:
        notes.append(f"prefix {prefix!r} stripped from the keys")
    others = [key for key, name in plain.items() if not name.startswith(prefix) and name not in LEFTOVERS]
    if others:
        notes.append(f"left out, under other prefixes: {shown(others)}")
    return found


def without_leftovers(sources: Sources, own: Mapping[str, Any], notes: list[str]) -> Sources:
    layers = {key.partition(".")[0] for key in own}
    left = [key for key in sources if key not in own and (key.rpartition(".")[2] in LEFTOVERS or (
        key.partition(".")[0] not in layers and BESIDE.fullmatch(key.partition(".")[0])))]  # fmt: skip
    if left:
        notes.append(f"left out, as no layer reads them: {shown(left)}")
    return {key: file_keys for key, file_keys in sources.items() if key not in left}


def pruned(tensors: dict, sources: Sources, own: Mapping[str, Any], notes: list[str]) -> None:
    """weight_orig · weight_mask, as torch.nn.utils.prune computes the weight in every forward()."""
    parts = [key for key in tensors if key.endswith("_orig") and key not in own]
    for key in parts:
        name = key.removesuffix("_orig")
        if f"{name}_mask" in tensors and name in own:
            mask, value = tensors.pop(f"{name}_mask"), tensors.pop(key)
            tensors[name], sources[name] = mask.to(value.dtype) * value, sources.pop(key) + sources.pop(f"{name}_mask")
    if parts:
        notes.append(f"pruned: {len(parts)} tensors are weight_orig · weight_mask")


def weight_norm(tensors: dict, sources: Sources, own: Mapping[str, Any], notes: list[str]) -> None:
    """g · v / ‖v‖ where the module has the plain weight; the norm is over what g has no extent in."""
    parts = [key for key in tensors if key.endswith("_g") and f"{key[:-1]}v" in tensors and key[:-2] in own]
    parts += [key for key in tensors if key.endswith(".original0") and key.replace("original0", "original1") in tensors
              and plain_of(key) in own]  # fmt: skip
    for key in parts:
        other = f"{key[:-1]}{'v' if key.endswith('_g') else '1'}"
        name = key[:-2] if key.endswith("_g") else plain_of(key)
        g, v = tensors.pop(key), tensors.pop(other)
        axes = [axis for axis in range(v.dim()) if axis >= g.dim() or g.shape[axis] == 1]
        kept = next((axis for axis in range(v.dim()) if axis not in axes), 0 if g.dim() and v.shape[0] == 1 else -1)
        tensors[name] = torch._weight_norm(v, g, kept)
        sources[name] = sources.pop(key) + sources.pop(other)
    if parts:
        notes.append(f"weight norm: {len(parts)} tensors are computed from their length and direction")


def new_weight_norm(tensors: dict, sources: Sources, own: Mapping[str, Any], notes: list[str]) -> None:
    """The older form's g and v are the newer one's original0 and original1."""
    for key in [key for key in tensors if key.endswith(("_g", "_v")) and key not in own]:
        layer, _, part = key.rpartition(".")
        name = f"{layer}.parametrizations.{part[:-2]}.original{'gv'.index(part[-1])}".lstrip(".")
        if name in own:
            tensors[name], sources[name] = tensors.pop(key), sources.pop(key)


def plain_of(key: str) -> str:
    """0.weight for 0.parametrizations.weight.original0."""
    return key.replace("parametrizations.", "").rpartition(".")[0]


def refuse_misfits(tensors: Mapping[str, Any], own: Mapping[str, Any], model: str | None, where: str) -> None:
    own = {plain_key(key): value for key, value in own.items()}
    missing = [key for key in own if key not in tensors and not key.endswith(COUNTER)]
    unexpected = [key for key in tensors if key not in own]
    shapes = [
        f"{key}: the file has {shape_of(tensors[key])}, the model {shape_of(own[key])}"
        for key in own
        if key in tensors and shape_of(tensors[key]) != shape_of(own[key])
    ]
    dtypes = [
        f"{key}: {name_of(tensors[key])} in the file, {name_of(own[key])} in the model"
        for key in own
        if is_float(own[key]) and isinstance(tensors.get(key), torch.Tensor) and not is_float(tensors[key])
    ]
    if missing or unexpected or shapes or dtypes:
        lists = [listed("missing", missing), listed("unexpected", unexpected), listed("of another shape", shapes),
                 listed("that are no floats", dtypes)]  # fmt: skip
        found = f"the keys do not fit --model {model}: " + "; ".join(text for text in lists if text)
        raise CompileError(where, found, what_to_do=remedy_for(missing, unexpected, shapes, dtypes))


def refuse_torn_ties(tensors: Mapping[str, Any], tied: Mapping[str, str], where: str) -> None:
    for key, other in tied.items():
        if key in tensors and other in tensors and not torch.equal(tensors[key], tensors[other]):
            found = f"has two different tensors, '{other}' and '{key}', which are one in the model"
            raise CompileError(where, found, what_to_do="let the factory build them apart, as they were trained")


def name_of(tensor: torch.Tensor) -> str:
    return str(tensor.dtype).removeprefix("torch.")


def shape_of(value: Any) -> tuple | None:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def shown(keys: Iterable[str]) -> str:
    keys = list(keys)
    return ", ".join(keys[:LISTED]) + (f", and {len(keys) - LISTED} more" if len(keys) > LISTED else "")


def listed(what: str, keys: list[str]) -> str:
    return f"{len(keys)} {what} ({shown(keys)})" if keys else ""


def remedy_for(missing: list[str], unexpected: list[str], shapes: list[str], dtypes: list[str]) -> str:
    if any(key.endswith((".shift", ".sign")) or key in ("shift", "sign") for key in unexpected):
        return (
            "the file holds PS shift layers: let the factory return dscompress.nn.convert(model, 'ps', bits=...)[0], "
            "or save dscompress.nn.bake(model).state_dict() and keep --model"
        )
    if any(key.endswith((".shift", ".sign")) or key in ("shift", "sign") for key in missing):
        return "the model has PS shift layers and the file float weights: let the factory return the model unconverted"
    if dtypes and not missing and not unexpected:
        return "save the float weights; whole numbers are weights only with the scale that they were quantised by"
    if shapes and not missing and not unexpected:
        return "build the model that was trained, for example --model-args '{\"num_classes\": 10}'"
    if unexpected and not missing and not shapes and not dtypes:
        return ("give the factory, and --model-args, that built the trained model; or, if these belong to no layer of "
                "it, save the others alone: torch.save(model.state_dict(), 'weights.pt')")  # fmt: skip
    return "give the factory, and --model-args, that built the trained model; --prefix, if the keys have another one"
