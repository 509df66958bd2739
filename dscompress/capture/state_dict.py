"""state_dict: weights without a model. --model builds the module; the keys must fit it exactly.

A checkpoint dict may hold the state_dict under one of KEYS. Files are read as data, by dscompress.deepshift, or with
weights_only=True: no code runs.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from dscompress.capture import deepshift_checkpoint, factory, module
from dscompress.capture.dtypes import note_dtypes
from dscompress.capture.input_shape import HOW as SHAPE_HOW
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.quiet import quiet
from dscompress.deepshift import Imported
from dscompress.deepshift.torch_file import UnusualTensors, check_sums
from dscompress.errors import CompileError

KIND = "state_dict"
KEYS = ["state_dict", "model_state_dict", "model", "net", "model_state", "weights", "params", "module"]
WRAPPERS = ["module.", "_orig_mod."]  # DataParallel and DistributedDataParallel; torch.compile
LISTED = 10


def capture(path: Path, options: CaptureOptions) -> Captured:
    if options.trust_pickle:
        from dscompress.capture import pickled_module

        return pickled_module.capture_trusted(path, options)
    found, checkpoint = read(path, options)
    known = None if found is None else deepshift_checkpoint.capture_known(found, options)
    if known is None and found is not None and found.method is not None:
        raise deepshift_checkpoint.unknown(found, options)
    return known or capture_checkpoint(found.latent if checkpoint is None else checkpoint, options, str(path))


def read(path: Path, options: CaptureOptions) -> tuple[Imported | None, Any]:
    """The weights as data, and the checkpoint as PyTorch loads it, which knows more types of tensors; one may be None.

    With --model, a checkpoint in which there is nothing to round is PyTorch's, if it holds tensors alone. Neither way
    runs code.
    """
    try:
        found = deepshift_checkpoint.read(path, options)
    except UnusualTensors:
        checkpoint = None if any(deepshift_checkpoint.given(options)) else load(path)
        if checkpoint is None:
            raise
        return None, checkpoint
    checkpoint = load(path) if found.as_it_is else None
    return (None if options.model and checkpoint is not None else found), checkpoint


def load(path: Path) -> Any:
    """None where it holds more than PyTorch loads without running code, or is damaged."""
    try:
        check_sums(path)
        with quiet():
            return torch.load(path, map_location="cpu", weights_only=True)
    except Exception:
        return None


def capture_checkpoint(checkpoint: Any, options: CaptureOptions, where: str) -> Captured:
    """From a loaded checkpoint to the graph of the model that --model builds, with these weights."""
    notes: list[str] = []
    weights = find_state_dict(checkpoint, where, notes)
    if options.model is None:
        shape = "" if options.input_shape else f" {SHAPE_HOW.split(' (')[0]}"
        raise CompileError(
            where,
            f"holds weights ({len(weights)} tensors) but no model",
            what_to_do=f"say what builds it: dscompress export {where} {factory.HOW.split(' (')[0]}{shape}",
        )
    built = factory.build(options.model, options.model_args, where)
    fill(built, weights, options.model, where, notes)
    note_latent_weights(built, weights, notes)
    del checkpoint, weights
    captured = module.capture(built, options, where)
    return Captured(captured.model, KIND, notes=list(dict.fromkeys(notes + captured.notes)))


def find_state_dict(checkpoint: Any, where: str, notes: list[str]) -> dict[str, torch.Tensor]:
    if is_state_dict(checkpoint):
        return dict(checkpoint)
    keys = list(checkpoint) if isinstance(checkpoint, Mapping) else []
    for key in [*KEYS, *keys]:
        if key in keys and is_state_dict(checkpoint[key]):
            notes.append(f"weights taken from {key!r} of the checkpoint")
            return dict(checkpoint[key])
    shown = ", ".join(str(key) for key in keys[:LISTED]) or "nothing"
    raise CompileError(
        where, f"holds no state_dict; it has {shown}", f"one at the top or under {', '.join(KEYS[:4])}", "save one"
    )


def is_state_dict(value: Any) -> bool:
    return (
        isinstance(value, Mapping)
        and any(isinstance(item, torch.Tensor) for item in value.values())
        and all(isinstance(key, str) and (isinstance(item, torch.Tensor) or key.endswith("_extra_state"))
                for key, item in value.items())
    )  # fmt: skip


def fill(built: torch.nn.Module, weights: dict, model: str, where: str, notes: list[str]) -> None:
    own = built.state_dict()
    for prefix in WRAPPERS * 2:
        if all(key.startswith(prefix) for key in weights) and not any(key.startswith(prefix) for key in own):
            weights = {key.removeprefix(prefix): value for key, value in weights.items()}
            notes.append(f"prefix {prefix!r} stripped from the keys")
    # Files older than this counter lack it, and nothing in eval mode reads it.
    missing = [key for key in own if key not in weights and not key.endswith("num_batches_tracked")]
    unexpected = [key for key in weights if key not in own]
    shapes = [
        f"{key}: the file has {shape_of(weights[key])}, the model {shape_of(own[key])}"
        for key in own
        if key in weights and shape_of(weights[key]) != shape_of(own[key])
    ]
    if missing or unexpected or shapes:
        lists = [listed("missing", missing), listed("unexpected", unexpected), listed("of another shape", shapes)]
        found = f"the keys do not fit --model {model}: " + "; ".join(text for text in lists if text)
        raise CompileError(where, found, what_to_do=remedy_for(missing, unexpected, shapes))
    tensors = [value for value in weights.values() if isinstance(value, torch.Tensor)]
    floats = {tensor.dtype for tensor in tensors if tensor.is_floating_point()}
    note_dtypes((str(dtype).removeprefix("torch.") for dtype in floats), notes)
    built.load_state_dict(weights, strict=False)


def shape_of(value: Any) -> tuple | None:
    return tuple(value.shape) if isinstance(value, torch.Tensor) else None


def listed(what: str, keys: list[str]) -> str:
    if not keys:
        return ""
    more = f", and {len(keys) - LISTED} more" if len(keys) > LISTED else ""
    return f"{len(keys)} {what} ({', '.join(keys[:LISTED])}{more})"


def remedy_for(missing: list[str], unexpected: list[str], shapes: list[str]) -> str:
    if any(key.endswith((".shift", ".sign")) or key in ("shift", "sign") for key in unexpected):
        return (
            "the file holds PS shift layers: let the factory return dscompress.nn.convert(model, 'ps', bits=...)[0], "
            "or save dscompress.nn.bake(model).state_dict() and keep --model"
        )
    if any(key.endswith((".shift", ".sign")) or key in ("shift", "sign") for key in missing):
        return "the model has PS shift layers and the file float weights: let the factory return the model unconverted"
    if shapes and not missing and not unexpected:
        return "build the model that was trained, for example --model-args '{\"num_classes\": 10}'"
    return "give the factory, and --model-args, that built the trained model"


def note_latent_weights(built: torch.nn.Module, weights: dict, notes: list[str]) -> None:
    """DeepShift-Q saves what looks like a float model: say so where a float model was built for such weights."""
    from dscompress.nn.layers import ShiftLayer

    matrices = [
        value
        for value in weights.values()
        if isinstance(value, torch.Tensor) and value.dim() > 1 and value.is_floating_point()
    ]
    if any(isinstance(child, ShiftLayer) for child in built.modules()) or sum(m.numel() for m in matrices) < 1000:
        return
    rounded = all(bool(((m == 0) | (torch.frexp(m).mantissa.abs() == 0.5)).all()) for m in matrices)
    in_range = all(bool(((m == 0) | ((m.abs() >= 2.0**-15) & (m.abs() <= 1))).all()) for m in matrices)
    if in_range and not rounded:
        notes.append(
            "every weight lies in ±[2^-15, 1], as after training with method 'q'; if so, add --method q, or the latent "
            "float weights are exported"
        )
