"""source: a model file that `dscompress convert` takes, and the converted file of the same kind.

    state_dict or checkpoint    the same keys and nesting, what is no weight of the network too, but no optimiser;
                                safetensors where it was safetensors
    checkpoint of training      one that says as much, so that export needs no further arguments
    torch.export archive        a torch.export archive, its batch as free or fixed as it was
    pickled module              a pickled module, with --trust-pickle

To add a kind: a function here that opens it, and its line in KINDS.
"""

from __future__ import annotations

import inspect
import io
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from dscompress import checkpoint
from dscompress.atomic_file import write_atomically
from dscompress.capture import exported_program, pickled_module, state_dict
from dscompress.capture.files import refuse_choices
from dscompress.capture.input_shape import HOW, parse_input_shapes
from dscompress.capture.module import input_shapes
from dscompress.capture.options import CaptureOptions
from dscompress.errors import CompileError
from dscompress.nn.layers import ShiftLayer
from dscompress.torchfile import detect
from dscompress.torchfile.reader import opened
from dscompress.torchfile.safetensors_file import SafetensorsFile, as_bytes
from dscompress.torchfile.weight_sets import plain_name
from dscompress.torchmodel import factory
from dscompress.torchmodel.fill import Sources, fill
from dscompress.torchmodel.quiet import quiet
from dsruntime.file import Image

OPTIMISER = ("optim", "sched", "scaler", "ema_opt")  # entries of a checkpoint that no longer fit its weights


@dataclass
class Source:
    """model: a module in eval mode or a program. shapes: of its inputs. pack: the converted model -> what is saved."""

    path: Path
    kind: str
    model: Any
    shapes: list[tuple]
    pack: Callable[[Any], Any]
    image: Image | None = None
    notes: list[str] = field(default_factory=list)
    names: list[str] = field(default_factory=list)  # of the inputs

    def save(self, converted: Any, output: str) -> None:
        """Replaces the file in one step, or raises CompileError and leaves the old one."""
        buffer = io.BytesIO()
        with quiet():
            if isinstance(converted, torch.export.ExportedProgram):
                torch.export.save(converted, buffer)
            elif self.path.is_file() and state_dict.of_safetensors(self.path):
                buffer.write(as_bytes(self.pack(converted), metadata_of(self.path)))
            else:
                torch.save(self.pack(converted), buffer)
        write_atomically(output, buffer.getvalue(), read_back=Path.read_bytes)


def metadata_of(path: Path) -> dict[str, str]:
    with opened(path) as file:
        return file.source.metadata if isinstance(file.source, SafetensorsFile) else {}


def open_source(path: Path, options: CaptureOptions) -> Source:
    kind = detect.detect(path)
    if kind not in KINDS:
        raise CompileError(
            str(path),
            f"is a file of kind {kind}, whose weights cannot be put back into it",
            "a state_dict, a checkpoint, a .pt2 of torch.export.save, or a pickled module",
            "give the PyTorch model that it was made from",
        )
    refuse_choices(kind, options, str(path))
    return KINDS[kind](path, options)


def open_program(path: Path, options: CaptureOptions) -> Source:
    program = exported_program.load(path, options.trust_pickle)
    where = str(path)
    if exported_program.in_training_mode(program):
        raise CompileError(
            where, "the program was exported in training mode", "one of model.eval()", exported_program.EXPORT_AGAIN
        )
    notes: list[str] = []
    dims = exported_program.input_dims(program)
    shapes = exported_program.concrete_shapes(dims, exported_program.wanted_shapes(dims, options, notes), where)
    return Source(
        path,
        detect.EXPORTED_PROGRAM,
        program,
        shapes,
        lambda program: program,
        notes=notes,
        names=list(program.graph_signature.user_inputs),
    )


def open_state_dict(path: Path, options: CaptureOptions) -> Source:
    if options.trust_pickle and not state_dict.of_safetensors(path):
        return open_pickled(path, options)
    loaded = state_dict.load(path)
    if loaded is None:
        raise CompileError(
            str(path),
            "holds Python objects beside the tensors, or is damaged",
            "tensors alone",
            "save them alone: torch.save(model.state_dict(), 'weights.pt'); or, if you made the file, "
            "add --trust-pickle",
        )
    return from_checkpoint(path, loaded, options)


def open_training(path: Path, options: CaptureOptions) -> Source:
    """What `dscompress train` wrote: it says itself how the network is built and what it takes."""
    where = str(path)
    values = checkpoint.load(path)
    card = checkpoint.card_of(values, where)
    module = checkpoint.build(values, where, options.model, options.model_args)
    shapes = parse_input_shapes(options.input_shape) or [tuple(card.input_shape)]
    return Source(
        path,
        detect.TRAINING_CHECKPOINT,
        module.eval(),
        shapes,
        lambda new: checkpoint.pack(card, new),
        image=card.image,
        names=parameters(module),
    )


def open_pickled(path: Path, options: CaptureOptions) -> Source:
    if not options.trust_pickle:
        pickled_module.capture(path, options)  # says why not
    loaded = pickled_module.load_trusted(path)
    module, notes = pickled_module.module_in(loaded, str(path), options)
    if module is None:
        return from_checkpoint(path, loaded, options)
    notes = [pickled_module.WARNING, *notes]
    shapes = input_shapes(module, options, str(path), notes)
    return Source(
        path, detect.PICKLED_MODULE, module.eval(), shapes, lambda module: module, notes=notes, names=parameters(module)
    )


def from_checkpoint(path: Path, loaded: Any, options: CaptureOptions) -> Source:
    where, notes = str(path), []
    module = factory.build_wanted(options.model, options.model_args, where)
    key, weights = state_dict.find_set(loaded, where, module, options)
    if module is None or not any(isinstance(child, ShiftLayer) for child in module.modules()):
        refuse_shift_layers(weights, where)
    if module is None:
        shape = "" if options.input_shape else f" {HOW.split(' (')[0]}"
        raise CompileError(
            where,
            f"holds weights ({len(weights)} tensors) but no model",
            what_to_do=f"say what builds it: dscompress convert {where} {factory.HOW.split(' (')[0]}{shape}",
        )
    notes += [f"weights taken from {key!r} of the checkpoint"] if key else []
    sources = fill(module, weights, options.model, where, notes, options.prefix)
    shapes = input_shapes(module, options, where, notes)
    pack = lambda new: packed(loaded, key, sources, new)  # noqa: E731
    return Source(path, detect.STATE_DICT, module.eval(), shapes, pack, notes=notes, names=parameters(module))


def refuse_shift_layers(weights: Mapping[str, Any], where: str) -> None:
    """Of a file with layers that a float network has no place for: shifts and signs, as DeepShift keeps them."""
    names = [key.removesuffix(".shift") for key in weights if key.endswith(".shift")]
    names = [name for name in names if f"{name}.sign" in weights]
    if names:
        shown = ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "")
        raise CompileError(
            where,
            f"holds shift layers ({shown}), whose weights are powers of two already",
            "a float model",
            "there is nothing to convert in them; export the file as it is",
        )


def parameters(module: torch.nn.Module) -> list[str]:
    return list(inspect.signature(module.forward).parameters)


def packed(loaded: Mapping, key: str, sources: Sources, module: torch.nn.Module) -> dict:
    """The checkpoint with the module's weights in the place of its own, which were under this key."""
    if not key:
        return replaced(loaded, sources, module.state_dict())
    first, _, rest = next((name, "", key.removeprefix(f"{name}.").removeprefix(name)) for name in loaded
                          if key == name or key.startswith(f"{name}."))  # fmt: skip
    kept = {name: value for name, value in loaded.items() if not str(name).lower().startswith(OPTIMISER)}
    return {**kept, first: packed(loaded[first], rest, sources, module)}


def replaced(weights: Mapping[str, Any], sources: Sources, new: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Under the keys of the file, prefixes included, in its order and dtypes but for float16, which rounds.

    What was put together of several tensors, pruned or normalised, is one now, under the name that it has in a layer
    without that.
    """
    names = {file_key: (name, keys) for name, keys in sources.items() for file_key in keys}
    found = {}
    for key, value in weights.items():
        name, keys = names.get(key, ("", ()))
        if name not in new:
            found[key] = value
        elif key == keys[0]:
            own = key if len(keys) == 1 else plain_name(key)
            found[own] = new[name].detach().clone()
    return found


KINDS: dict[str, Callable[[Path, CaptureOptions], Source]] = {
    detect.EXPORTED_PROGRAM: open_program,
    detect.STATE_DICT: open_state_dict,
    detect.TRAINING_CHECKPOINT: open_training,
    detect.PICKLED_MODULE: open_pickled,
}
