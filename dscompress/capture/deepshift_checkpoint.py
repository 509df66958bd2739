"""deepshift_checkpoint: a file of the original DeepShift, whose network is known by its keys, or built by --model.

Also a float checkpoint of a known network, and weights inside of a module that was pickled whole: all read as data.
"""

from dataclasses import replace
from pathlib import Path

import torch
from torch import nn

from dscompress.capture import module
from dscompress.capture.input_shape import HOW as SHAPE_HOW
from dscompress.capture.input_shape import parse_input_shapes
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.deepshift import Imported, load
from dscompress.deepshift.architectures import Network, build, recognise, refusal
from dscompress.deepshift.imported import only_convertible
from dscompress.deepshift.into_model import as_evaluated
from dscompress.errors import CompileError
from dscompress.torchfile.detect import STATE_DICT
from dscompress.torchmodel import factory
from dscompress.torchmodel.fill import fill, shown

KIND = "DeepShift checkpoint"
FLOAT_KIND = "float checkpoint"


def wishes(options: CaptureOptions) -> dict:
    """The options that are for such files alone, as load() takes them."""
    names = ("bits", "method", "sign_threshold", "activations")
    return {name: getattr(options, name) for name in names}


def given(options: CaptureOptions) -> list[str]:
    """Those of them that were given, as they are written."""
    return [f"--{name.replace('_', '-')}" for name, value in wishes(options).items() if value is not None]


def refuse_wishes(options: CaptureOptions, where: str, what: str) -> None:
    for option in given(options):
        raise CompileError(where, f"is {what}, and {option} is for DeepShift checkpoints",
                           what_to_do=f"leave out {option}")  # fmt: skip


def read(path: Path, options: CaptureOptions) -> Imported:
    return load(path, **wishes(options), weights_key=options.weights_key, prefix=options.prefix)


def capture_known(found: Imported, options: CaptureOptions, built: nn.Module | None) -> Captured | None:
    """The graph, if --model or the keys say which network it is. built: what --model builds."""
    if built is not None:
        return captured_from_factory(found, built, options)
    network = recognise(found)
    return None if network is None else captured_from_network(found, network, options)


def unknown(found: Imported, options: CaptureOptions) -> CompileError:
    shape = "" if options.input_shape else f" {SHAPE_HOW.split(' (')[0]}"
    return refusal(found, f"dscompress export {found.path} {factory.HOW.split(' (')[0]}{shape}")


def captured_from_factory(found: Imported, built: nn.Module, options: CaptureOptions) -> Captured:
    """What --model builds, with the exact weights; where it builds shift layers, with what training left in them."""
    from dscompress.nn.layers import ShiftLayer

    where = str(found.path)
    own = any(isinstance(child, ShiftLayer) for child in built.modules())
    found = found if own else only_convertible(found, built)
    notes = [] if own else list(found.notes)
    notes += [f"weights taken from {found.layout.source!r} of the checkpoint"] if found.layout.source else []
    notes += [f"prefix {prefix!r} stripped from the keys" for prefix in found.report.prefixes]
    notes += [f"left out, under other prefixes: {shown(found.layout.left_out)}"] if found.layout.left_out else []
    if own:
        what = f"a file for the shift layers that --model {options.model} builds, which round by themselves"
        refuse_wishes(options, where, what)
    if found.report.rounds_activations and not own:
        built = as_evaluated(found, built)
    else:
        fill(built, found.latent if own else found.state, options.model, where, notes)
    captured = captured_from(found, built, options, notes)
    return replace(captured, kind=STATE_DICT, imported=None, changes=[]) if own else captured


def captured_from(found: Imported, built: nn.Module, options: CaptureOptions, notes: list[str]) -> Captured:
    captured = module.capture(built, options, str(found.path))
    notes = list(dict.fromkeys(notes + captured.notes))
    kind = FLOAT_KIND if found.method is None else KIND
    return Captured(captured.model, kind, notes=notes, imported=found.report, changes=found.report.changes)


def captured_from_network(found: Imported, network: Network, options: CaptureOptions) -> Captured:
    where, dataset = str(found.path), network.dataset
    found = only_convertible(found, network.network)
    if dataset is None and not (options.input_shape or options.implied_input):
        raise CompileError(where, f"is a {network}, and nothing says of what images", what_to_do=f"add {SHAPE_HOW}")
    notes = [*found.notes, f"the network is {network}, by its keys and shapes"]
    if dataset is not None and not parse_input_shapes(options.input_shape):
        options = replace(options, input_shape=dataset.input_shape)
    with torch.no_grad():
        built = as_evaluated(found) if found.report.rounds_activations else build(found, network)
        captured = captured_from(found, built, options, notes)
    if dataset is None or parse_input_shapes(options.input_shape) != [dataset.input_shape]:
        return replace(captured, name=network.name)
    captured.notes.append(f"images and classes are taken for those of {dataset.name}, {dataset.why(found.dataset)}; "
                          "--preprocess and --labels say others")  # fmt: skip
    # DeepShift's scripts minimise cross-entropy on every data set.
    return replace(captured, name=network.name, preprocess=dataset.recipe, labels=dataset.labels, meaning="logits")
