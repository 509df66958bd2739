"""imported: load() reads one of the original's files; Imported is what came out of it, and what was done to it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path

import torch
from torch import nn

from dscompress.activations import fixed_point
from dscompress.changes import Change, changes_between
from dscompress.deepshift.decide import FLOAT, Decision, Wish, decide, is_rounded
from dscompress.deepshift.layout import Layout, layout_of
from dscompress.deepshift.own_keys import NAMES, composed, with_one_name
from dscompress.deepshift.rounding import BITS, SIGN_THRESHOLD, lowest_shift, round_bias, round_ps, round_q
from dscompress.deepshift.settings import Settings, settings_beside
from dscompress.errors import CompileError
from dscompress.torchfile.inert import Unreadable
from dscompress.torchfile.reader import opened
from dsruntime.text import printable

FIXED_POINT = (16, 16)
MOST_NAMES = 100
SHOWN = 10
ROUNDED = "weights.pth"  # what the original calls the state_dict that it has rounded


@dataclass(frozen=True)
class ImportedLayer:
    """One shift layer. moved: weights whose tensors in the file are no exact codes. zeros, lowest and highest: of the
    exact weight, lowest and highest its exponents.
    """

    name: str
    bits: int
    weights: int
    moved: int
    zeros: int
    lowest: int | None
    highest: int | None


@dataclass
class ImportReport:
    """method is None where nothing was rounded. *_from says where the importer has it from; names: what the file named.

    changes: tensors that are not the source's own numbers. Those of a PS, S3 or DenseShift layer are what its own
    forward makes of the file's tensors, by what is recorded of it, else by what the user says; all others', the file's.
    """

    method: str | None
    method_from: str
    bits: int | None
    bits_from: str
    sign_threshold: float | None
    layers: list[ImportedLayer]
    float_layers: list[str]
    clamped: int  # weights beyond the range of their bits
    biases_moved: int
    arch: str | None
    dataset: str | None
    epoch: int | None
    activation_bits: tuple[int, int] | None
    prefixes: list[str]
    names: list[str]
    all_powers: bool  # every weight of a convolution or linear layer is 0 or a power of two
    changes: list[Change]

    @property
    def rounds_activations(self) -> bool:
        """Whether the format of the activations can change an answer: the usual 16 and 16 bits do not."""
        return self.method is not None and self.activation_bits not in (None, FIXED_POINT)

    @property
    def weights(self) -> int:
        return sum(layer.weights for layer in self.layers)

    @property
    def moved(self) -> int:
        return sum(layer.moved for layer in self.layers)

    @property
    def zeros(self) -> int:
        return sum(layer.zeros for layer in self.layers)

    def as_dict(self) -> dict:
        return {**asdict(self), "weights": self.weights, "moved": self.moved, "zeros": self.zeros}

    def total(self) -> str:
        """ "DeepShift-PS, 5 bits (from command_args.txt): 21 layers, 270,896 weights, 12 moved, 130,002 zeros"."""
        if self.method is None:
            powers = "every weight is a power of two already" if self.all_powers else "a float checkpoint"
            return f"{powers}: no weight was rounded"
        layers = f"{len(self.layers)} layer{'' if len(self.layers) == 1 else 's'}"
        moved = f"{self.moved:,} moved by rounding" if self.moved else "all rounded already"
        return (
            f"{NAMES[self.method]}, {self.bits} bits (from {self.bits_from}): {layers}, "
            f"{self.weights:,} weights, {moved}, {self.zeros:,} zeros"
        )

    def __str__(self) -> str:
        lines = [
            f"  {layer.name}: {layer.bits} bits, {layer.weights:,} weights, {layer.moved:,} moved, "
            f"{layer.zeros:,} zeros, {exponents(layer)}"
            for layer in self.layers
        ]
        return "\n".join(map(printable, [self.total(), *lines]))


def exponents(layer: ImportedLayer) -> str:
    return "no power of two" if layer.lowest is None else f"2^{layer.lowest} to 2^{layer.highest}"


@dataclass
class Imported:
    """state: what a float model's load_state_dict takes: of shift layers the exact weights, ±2^k and 0, as `weight`.

    latent: the file's own tensors, `shift` and `sign` or unrounded `weight`, keys without prefixes: what training goes
    on from. arch and dataset: as far as file and path say. class_name: of a module that was pickled whole.
    """

    path: Path
    state: dict[str, torch.Tensor]
    latent: dict[str, torch.Tensor]
    decision: Decision
    layout: Layout
    said: Settings
    report: ImportReport
    notes: list[str] = field(default_factory=list)

    @property
    def as_it_is(self) -> bool:
        """The state is the file's own: no layer had to be rounded or put together."""
        return not self.is_composed and not self.report.moved and not self.report.biases_moved

    @property
    def is_composed(self) -> bool:
        """Whether weights are put together from several tensors each."""
        return self.method not in (None, "q")

    @property
    def arch(self) -> str | None:
        return self.report.arch

    @property
    def dataset(self) -> str | None:
        return self.report.dataset

    @property
    def method(self) -> str | None:
        return self.report.method

    @property
    def bits(self) -> int | None:
        return self.report.bits


def load(
    path: str | os.PathLike,
    bits: int | None = None,
    method: str | None = None,
    sign_threshold: float | None = None,
    activations: str | None = None,
    weights_key: str | None = None,
    prefix: str | None = None,
    ask: bool = True,
) -> Imported:
    """Reads weights.pth, checkpoint.pth.tar or model.pth of the original DeepShift, and rounds what is not rounded.

    No code that the file names runs. bits (2 to 8), method ("q", "ps", or "float": nothing is rounded), sign_threshold
    (PS: a sign counts where |S| > it; 0.5) and activations ("float" or "deepshift:3.5") override what the file and
    command_args.txt say. weights_key: "ema.module", where the file holds several sets of weights; prefix: what their
    keys begin with, and what is not under it is left out. CompileError: whatever is wrong; and, unless ask is False,
    what looks like DeepShift-Q while nothing says that it is: the user has to. Without asking, such a file is taken for
    what it holds.
    """
    path = Path(path)
    wish = checked(Wish(bits, method, sign_threshold, activations), str(path))
    said = settings_beside(path, [name for name, value in asdict(wish).items() if value is not None])
    with opened(path) as file:
        layout = layout_of(file.root, str(path), weights_key, prefix)
        latent = file.tensors(layout.tensors)
        refuse_nan(latent)
        decision = decide(latent, layout, said, wish, ask)
        if sign_threshold is not None and decision.method != "ps":
            raise Unreadable("holds no PS layers", remedy="leave out --sign-threshold")
        if decision.method in ("s3", "dense"):
            latent = with_one_name(latent, decision.layers)
        found = imported(path, latent, decision, layout, said, wish, file.names)
        refuse_rounded_that_moves(found, wish)
        return found


def checked(wish: Wish, where: str) -> Wish:
    if wish.bits is not None and (type(wish.bits) is not int or wish.bits not in BITS):
        raise CompileError(where, f"--bits {wish.bits}", f"{BITS[0]} to {BITS[-1]}")
    if wish.method not in (None, "q", "ps", FLOAT):
        raise CompileError(where, f"--method {wish.method}", f"q or ps, or {FLOAT}, which rounds nothing")
    if wish.sign_threshold is not None and not 0 <= wish.sign_threshold < 1:
        raise CompileError(where, f"--sign-threshold {wish.sign_threshold}", "0 or more, and less than 1")
    if wish.activations is not None:
        try:
            fixed_point(wish.activations)
        except ValueError as error:
            raise CompileError(where, f"--activations: {error}") from None
    return wish


def refuse_nan(tensors: dict[str, torch.Tensor]) -> None:
    for key, tensor in tensors.items():
        if tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
            count = int(torch.isnan(tensor).sum())
            raise Unreadable(f"holds NaN: {count:,} of {tensor.numel():,} in '{key}'; its training diverged, "
                             "so take an earlier checkpoint", damage=False)  # fmt: skip


def imported(path, latent, decision, layout, said, wish, names) -> Imported:
    threshold = SIGN_THRESHOLD if wish.sign_threshold is None else wish.sign_threshold
    state: dict[str, torch.Tensor] = {}
    own: dict[str, torch.Tensor] = {}
    layers: list[ImportedLayer] = []
    biases_moved = clamped = 0
    exact = documented_as_rounded(path, layout, said) and wish.method is None  # its biases, too
    for key, tensor in latent.items():
        layer, _, kind = key.rpartition(".")
        if layer not in decision.layers or kind == "bias" or (decision.method == "q" and kind != "weight"):
            own[key] = tensor
            state[key] = tensor.float() if tensor.is_floating_point() else tensor
            if layer in decision.layers and kind == "bias" and decision.is_deepshifts and not exact:
                state[key] = round_bias(tensor)
                biases_moved += int((state[key] != tensor).sum())
        elif f"{layer}.weight" not in state:
            weight = f"{layer}.weight"
            state[weight], own[weight], moved, beyond = exact_weight(layer, latent, decision, threshold)
            layers.append(described(layer, decision.layers[layer], state[weight], moved))
            clamped += beyond
    report = ImportReport(
        method=decision.method,
        method_from=decision.method_from,
        bits=max(decision.layers.values(), default=None),
        bits_from=decision.bits_from,
        sign_threshold=threshold if decision.method == "ps" else None,
        layers=layers,
        float_layers=float_layers(state, decision),
        clamped=clamped,
        biases_moved=biases_moved,
        arch=layout.arch or said.arch,
        dataset=said.dataset,
        epoch=layout.epoch,
        activation_bits=activation_bits(layout, said, wish),
        prefixes=layout.prefixes,
        names=[name.replace(" ", ".") for name in names[:MOST_NAMES]],
        all_powers=all_powers(state),
        changes=changes_between(own, state),
    )
    return Imported(path, state, latent, decision, layout, said, report, notes_on(report))


def activation_bits(layout: Layout, said: Settings, wish: Wish) -> tuple[int, int] | None:
    """Of the shift layers' inputs, by who knows best; None: they stay float."""
    if wish.activations is not None:
        return fixed_point(wish.activations)
    return layout.activation_bits or said.activation_bits


def documented_as_rounded(path: Path, layout: Layout, said: Settings) -> bool:
    """Whether the original rounded the weights before it saved: a whole module of its classes, or its weights.pth."""
    named = path.name == ROUNDED and layout.source is None
    return bool(layout.layers) or (named and bool(said.method or said.bits or said.label.method))


def refuse_rounded_that_moves(found: Imported, wish: Wish) -> None:
    report = found.report
    if report.moved and wish.method is None and documented_as_rounded(found.path, found.layout, found.said):
        what = "a module of the original's layers" if found.layout.layers else f"called {ROUNDED}"
        raise Unreadable(
            f"is {what}, which the original rounds before it saves, and yet rounding would move {report.moved:,} of "
            f"{report.weights:,} weights",
            remedy=f"take checkpoint.pth.tar, or, if this was saved unrounded, say so: --method {report.method}",
        )


def exact_weight(layer: str, latent: dict[str, torch.Tensor], decision: Decision, threshold: float) -> tuple:
    """The weight, the source's own, how many weights were no exact codes, and how many shifts were out of range."""
    bits, method = decision.layers[layer], decision.method
    if method == "q":
        own = latent[f"{layer}.weight"]
        weight = round_q(own, bits)
        magnitude = own.float().abs()
        beyond = (magnitude != 0) & ((magnitude < 2.0 ** lowest_shift("q", bits)) | (magnitude > 1))
        return weight, own, int((weight != own.float()).sum()), int(beyond.sum())
    assert method is not None  # of a decision that has layers to round
    if method != "ps":
        weight = composed(layer, bits, method, latent)
        return weight, weight, 0, 0
    shift, sign = latent[f"{layer}.shift"].float(), latent[f"{layer}.sign"].float()
    weight = round_ps(shift, sign, bits, threshold)
    unlike = (sign != torch.sign(weight)) | ((weight != 0) & (shift != torch.frexp(weight).exponent - 1))
    rounded = torch.round(shift)
    beyond = (weight != 0) & ((rounded < lowest_shift("ps", bits)) | (rounded > 0))
    return weight, round_ps(shift, sign, decision.own_bits[layer], threshold), int(unlike.sum()), int(beyond.sum())


def described(name: str, bits: int, weight: torch.Tensor, moved: int) -> ImportedLayer:
    zero = weight == 0
    exponent = torch.frexp(weight).exponent[~zero] - 1
    lowest, highest = (int(exponent.min()), int(exponent.max())) if exponent.numel() else (None, None)
    return ImportedLayer(name, bits, weight.numel(), moved, int(zero.sum()), lowest, highest)


def all_powers(state: dict[str, torch.Tensor]) -> bool:
    matrices = [value for key, value in state.items() if key.endswith(".weight") and value.dim() > 1]
    return bool(matrices) and all(value.is_floating_point() and is_rounded(value) for value in matrices)


def float_layers(state: dict[str, torch.Tensor], decision: Decision) -> list[str]:
    paths = [key.removesuffix(".weight") for key, value in state.items() if key.endswith(".weight") and value.dim() > 1]
    return [path for path in paths if path not in decision.layers]


def notes_on(report: ImportReport) -> list[str]:
    notes = [report.total()]
    if report.method is not None and report.float_layers:
        first, more = report.float_layers[:SHOWN], len(report.float_layers) - SHOWN
        named = ", ".join(first) + (f" and {more} more" if more > 0 else "")
        notes.append(f"not shift layers, left as they are: {named}")
    if report.clamped:
        clamped = f"{report.clamped:,} weights lay beyond the range of {report.bits} bits and were clamped to it"
        notes.append(f"{clamped}, as the layers do before they compute")
    if report.biases_moved:
        notes.append(f"{report.biases_moved:,} biases of shift layers rounded to 16 fraction bits, as for evaluation")
    if report.activation_bits and report.rounds_activations:
        integer, fraction = report.activation_bits
        notes.append(f"shift layers round their inputs to {integer} integer and {fraction} fraction bits, as trained")
    return notes


def only_convertible(found: Imported, network: nn.Module) -> Imported:
    """The same with Q's layers among those that DeepShift converts, exactly nn.Conv2d and nn.Linear of the network.

    By their keys, embeddings and transposed convolutions look like them.
    """
    modules = dict(network.named_modules())
    others = [path for path in found.decision.layers if type(modules.get(path)) not in (nn.Conv2d, nn.Linear)]
    if found.method != "q" or not others:
        return found
    names = [f"{path}.{kind}" for path in others for kind in ("weight", "bias")]
    state = {**found.state, **{key: found.latent[key].float() for key in names if key in found.latent}}
    left = {path: bits for path, bits in found.decision.layers.items() if path not in others}
    decision = replace(found.decision, layers=left, method="q" if left else None)
    biases = [key for path in left if (key := f"{path}.bias") in state]
    report = replace(
        found.report,
        method=decision.method,
        bits=max(left.values(), default=None),
        layers=[layer for layer in found.report.layers if layer.name in left],
        float_layers=float_layers(state, decision),
        clamped=sum(exact_weight(path, found.latent, decision, SIGN_THRESHOLD)[3] for path in left),
        biases_moved=sum(int((state[key] != found.latent[key]).sum()) for key in biases),
        all_powers=all_powers(state),
        changes=changes_between(found.latent, state),
    )
    return replace(found, state=state, decision=decision, report=report, notes=notes_on(report))
