"""imported: load() reads one of the original's files; Imported is what came out of it, and what was done to it."""

from __future__ import annotations

import os
from dataclasses import asdict, dataclass, field
from pathlib import Path

import torch

from dscompress.activations import fixed_point
from dscompress.deepshift.decide import Decision, Wish, decide
from dscompress.deepshift.inert import Unreadable
from dscompress.deepshift.layout import Layout, layout_of
from dscompress.deepshift.rounding import BITS, SIGN_THRESHOLD, round_bias, round_ps, round_q
from dscompress.deepshift.settings import Settings, settings_beside
from dscompress.deepshift.torch_file import opened
from dscompress.errors import CompileError

FIXED_POINT = (16, 16)
MOST_NAMES = 100
SHOWN = 10


@dataclass(frozen=True)
class ImportedLayer:
    """One shift layer. moved: weights that rounding changed. zeros: of the rounded weight. bits, and its exponents."""

    name: str
    bits: int
    weights: int
    moved: int
    zeros: int
    lowest: int | None
    highest: int | None


@dataclass
class ImportReport:
    """method is None for a float checkpoint. *_from says where the importer has it from; names: what the file named."""

    method: str | None
    method_from: str
    bits: int | None
    bits_from: str
    sign_threshold: float | None
    layers: list[ImportedLayer]
    float_layers: list[str]
    biases_moved: int
    arch: str | None
    dataset: str | None
    epoch: int | None
    activation_bits: tuple[int, int] | None
    prefixes: list[str]
    names: list[str]

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
            return "a float checkpoint: no shift layers in it"
        layers = f"{len(self.layers)} layer{'' if len(self.layers) == 1 else 's'}"
        moved = f"{self.moved:,} moved by rounding" if self.moved else "all rounded already"
        return (
            f"DeepShift-{self.method.upper()}, {self.bits} bits (from {self.bits_from}): {layers}, "
            f"{self.weights:,} weights, {moved}, {self.zeros:,} zeros"
        )

    def __str__(self) -> str:
        lines = [
            f"  {layer.name}: {layer.bits} bits, {layer.weights:,} weights, {layer.moved:,} moved, "
            f"{layer.zeros:,} zeros, {exponents(layer)}"
            for layer in self.layers
        ]
        return "\n".join([self.total(), *lines])


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
        return self.method != "ps" and not self.report.moved and not self.report.biases_moved

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
) -> Imported:
    """Reads weights.pth, checkpoint.pth.tar or model.pth of the original DeepShift, and rounds what is not rounded.

    No code that the file names runs. bits (2 to 8), method ("q" or "ps"), sign_threshold (PS: a sign counts where
    |S| > it; 0.5) and activations ("float" or "deepshift:3.5") override what the file, command_args.txt and the
    folder's name say. weights_key: "ema.module", where the file holds several sets of weights; prefix: what their keys
    begin with, and what is not under it is left out. CompileError: whatever is wrong.
    """
    path = Path(path)
    wish = checked(Wish(bits, method, sign_threshold, activations), str(path))
    said = settings_beside(path, [name for name, value in asdict(wish).items() if value is not None])
    with opened(path) as file:
        layout = layout_of(file.root, str(path), weights_key, prefix)
        latent = file.tensors(layout.tensors)
        refuse_nan(latent)
        decision = decide(latent, layout, said, wish)
        if sign_threshold is not None and decision.method != "ps":
            raise Unreadable("holds no PS layers; leave out --sign-threshold", damage=False)
        return imported(path, latent, decision, layout, said, wish, file.names)


def checked(wish: Wish, where: str) -> Wish:
    if wish.bits is not None and (type(wish.bits) is not int or wish.bits not in BITS):
        raise CompileError(where, f"--bits {wish.bits}", f"{BITS[0]} to {BITS[-1]}")
    if wish.method not in (None, "q", "ps"):
        raise CompileError(where, f"--method {wish.method}", "q or ps")
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
    layers: list[ImportedLayer] = []
    biases_moved = 0
    for key, tensor in latent.items():
        layer, _, kind = key.rpartition(".")
        if layer not in decision.layers or kind not in ("shift", "sign", "weight", "bias"):
            state[key] = tensor.float() if tensor.is_floating_point() else tensor
        elif kind == "bias":
            state[key] = round_bias(tensor) if is_originals(layout, said) else tensor.float()
            biases_moved += int((state[key] != tensor).sum())
        elif kind != "sign":
            state[f"{layer}.weight"], moved = rounded(layer, latent, decision, threshold)
            layers.append(described(layer, decision.layers[layer], state[f"{layer}.weight"], moved))
    report = ImportReport(
        method=decision.method,
        method_from=decision.method_from,
        bits=max(decision.layers.values(), default=None),
        bits_from=decision.bits_from,
        sign_threshold=threshold if decision.method == "ps" else None,
        layers=layers,
        float_layers=float_layers(state, decision),
        biases_moved=biases_moved,
        arch=layout.arch or said.arch,
        dataset=said.dataset,
        epoch=layout.epoch,
        activation_bits=activation_bits(layout, said, wish),
        prefixes=layout.prefixes,
        names=[name.replace(" ", ".") for name in names[:MOST_NAMES]],
    )
    return Imported(path, state, latent, decision, layout, said, report, notes_on(report))


def activation_bits(layout: Layout, said: Settings, wish: Wish) -> tuple[int, int] | None:
    """Of the shift layers' inputs, by who knows best; None: they stay float."""
    if wish.activations is not None:
        return fixed_point(wish.activations)
    return layout.activation_bits or said.activation_bits


def is_originals(layout: Layout, said: Settings) -> bool:
    """Whether the original's scripts wrote it: then what they do to biases before they evaluate is done to them."""
    return bool(layout.layers or layout.arch or said.method or said.bits)


def rounded(layer: str, latent: dict[str, torch.Tensor], decision: Decision, threshold: float) -> tuple:
    """The exact weight, and how many weights had other values before."""
    bits = decision.layers[layer]
    if decision.method == "q":
        before = latent[f"{layer}.weight"].float()
        weight = round_q(before, bits)
        return weight, int((weight != before).sum())
    shift, sign = latent[f"{layer}.shift"].float(), latent[f"{layer}.sign"].float()
    weight = round_ps(shift, sign, bits, threshold)
    unlike = (sign != torch.sign(weight)) | ((weight != 0) & (shift != torch.frexp(weight).exponent - 1))
    return weight, int(unlike.sum())


def described(name: str, bits: int, weight: torch.Tensor, moved: int) -> ImportedLayer:
    zero = weight == 0
    exponent = torch.frexp(weight).exponent[~zero] - 1
    lowest, highest = (int(exponent.min()), int(exponent.max())) if exponent.numel() else (None, None)
    return ImportedLayer(name, bits, weight.numel(), moved, int(zero.sum()), lowest, highest)


def float_layers(state: dict[str, torch.Tensor], decision: Decision) -> list[str]:
    paths = [key.removesuffix(".weight") for key, value in state.items() if key.endswith(".weight") and value.dim() > 1]
    return [path for path in paths if path not in decision.layers]


def notes_on(report: ImportReport) -> list[str]:
    notes = [report.total()]
    if report.method is not None and report.float_layers:
        first, more = report.float_layers[:SHOWN], len(report.float_layers) - SHOWN
        named = ", ".join(first) + (f" and {more} more" if more > 0 else "")
        notes.append(f"not shift layers, left as they are: {named}")
    if report.biases_moved:
        notes.append(f"{report.biases_moved:,} biases of shift layers rounded to 16 fraction bits, as for evaluation")
    if report.rounds_activations:
        integer, fraction = report.activation_bits
        notes.append(f"shift layers round their inputs to {integer} integer and {fraction} fraction bits, as trained")
    return notes
