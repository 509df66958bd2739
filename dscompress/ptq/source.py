"""source: a model file that `dscompress convert` takes, and the converted file of the same kind.

    state_dict or checkpoint    the same keys and nesting, what is no weight of the network too, but no optimiser
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
from dscompress.capture import detect, exported_program, factory, pickled_module, state_dict
from dscompress.capture.input_shape import HOW, parse_input_shapes
from dscompress.capture.module import input_shapes
from dscompress.capture.options import CaptureOptions
from dscompress.capture.quiet import quiet
from dscompress.errors import CompileError
from dscompress.write import write_atomically
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
            else:
                torch.save(self.pack(converted), buffer)
        write_atomically(output, buffer.getvalue(), read_back=Path.read_bytes)


def open_source(path: Path, options: CaptureOptions) -> Source:
    kind = detect.detect(path)
    if kind not in KINDS:
        raise CompileError(str(path), f"is a file of kind {kind}, whose weights cannot be put back into it",
                           "a state_dict, a checkpoint, a .pt2 of torch.export.save, or a pickled module",
                           "give the PyTorch model that it was made from")
    return KINDS[kind](path, options)


def open_program(path: Path, options: CaptureOptions) -> Source:
    program = exported_program.load(path, options.trust_pickle)
    where = str(path)
    if exported_program.in_training_mode(program):
        raise CompileError(where, "the program was exported in training mode", "one of model.eval()",
                           exported_program.EXPORT_AGAIN)
    dims, wanted = exported_program.input_dims(program), parse_input_shapes(options.input_shape)
    shapes = exported_program.concrete_shapes(dims, wanted, where)
    return Source(path, detect.EXPORTED_PROGRAM, program, shapes, lambda program: program,
                  names=list(program.graph_signature.user_inputs))


def open_state_dict(path: Path, options: CaptureOptions) -> Source:
    if options.trust_pickle:
        return open_pickled(path, options)
    loaded = state_dict.load(path)
    if loaded is None:
        raise CompileError(str(path), "holds Python objects beside the tensors, or is damaged", "tensors alone",
                           "save them alone: torch.save(model.state_dict(), 'weights.pt'); or, if you made the file, "
                           "add --trust-pickle")
    return from_checkpoint(path, loaded, options)


def open_training(path: Path, options: CaptureOptions) -> Source:
    """What `dscompress train` wrote: it says itself how the network is built and what it takes."""
    where = str(path)
    values = checkpoint.load(path)
    card = checkpoint.card_of(values, where)
    module = checkpoint.build(values, where, options.model, options.model_args)
    shapes = parse_input_shapes(options.input_shape) or [tuple(card.input_shape)]
    return Source(path, detect.TRAINING_CHECKPOINT, module.eval(), shapes, lambda new: checkpoint.pack(card, new),
                  image=card.image, names=parameters(module))


def open_pickled(path: Path, options: CaptureOptions) -> Source:
    if not options.trust_pickle:
        pickled_module.capture(path, options)  # says why not
    loaded = pickled_module.load_trusted(path)
    module = loaded if isinstance(loaded, torch.nn.Module) else pickled_module.module_in(loaded)
    if module is None:
        return from_checkpoint(path, loaded, options)
    notes = [pickled_module.WARNING]
    shapes = input_shapes(module, options, str(path), notes)
    return Source(path, detect.PICKLED_MODULE, module.eval(), shapes, lambda module: module, notes=notes,
                  names=parameters(module))


def from_checkpoint(path: Path, loaded: Any, options: CaptureOptions) -> Source:
    where, notes = str(path), []
    weights = state_dict.find_state_dict(loaded, where, notes)
    if options.model is None:
        shape = "" if options.input_shape else f" {HOW.split(' (')[0]}"
        raise CompileError(where, f"holds weights ({len(weights)} tensors) but no model",
                           what_to_do=f"say what builds it: dscompress convert {where} "
                                      f"{factory.HOW.split(' (')[0]}{shape}")
    module = factory.build(options.model, options.model_args, where)
    state_dict.fill(module, weights, options.model, where, notes)
    shapes = input_shapes(module, options, where, notes)
    return Source(path, detect.STATE_DICT, module.eval(), shapes, lambda new: packed(loaded, new), notes=notes,
                  names=parameters(module))


def parameters(module: torch.nn.Module) -> list[str]:
    return list(inspect.signature(module.forward).parameters)


def packed(loaded: Mapping, module: torch.nn.Module) -> dict:
    """The checkpoint with the module's weights in the place of its own."""
    new = module.state_dict()
    if state_dict.is_state_dict(loaded):
        return replaced(loaded, new)
    place = next(key for key in [*state_dict.KEYS, *loaded] if state_dict.is_state_dict(loaded.get(key)))
    kept = {key: value for key, value in loaded.items() if not str(key).lower().startswith(OPTIMISER)}
    return {**kept, place: replaced(loaded[place], new)}


def replaced(weights: Mapping[str, Any], new: Mapping[str, torch.Tensor]) -> dict[str, Any]:
    """Under the keys of the file, prefixes included, in its order and dtypes but for float16, which rounds."""
    found = {}
    for key, value in weights.items():
        tensor = new.get(own_key(key, new))
        found[key] = value if tensor is None else tensor.detach().clone()
    return found


def own_key(key: str, new: Mapping[str, Any]) -> str:
    while key not in new and any(key.startswith(prefix) for prefix in state_dict.WRAPPERS):
        prefix = next(prefix for prefix in state_dict.WRAPPERS if key.startswith(prefix))
        key = key.removeprefix(prefix)
    return key


KINDS: dict[str, Callable[[Path, CaptureOptions], Source]] = {
    detect.EXPORTED_PROGRAM: open_program,
    detect.STATE_DICT: open_state_dict,
    detect.TRAINING_CHECKPOINT: open_training,
    detect.PICKLED_MODULE: open_pickled,
}
