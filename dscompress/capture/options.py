"""CaptureOptions, what the user says about the source; Captured, the graph that came out of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import onnx_ir as ir

from dscompress.capture.input_shape import Shape, ShapeOption
from dscompress.changes import Change
from dsruntime.file import Image

if TYPE_CHECKING:
    from dscompress.deepshift import ImportReport


@dataclass(frozen=True)
class ImpliedInput:
    """A source's single input, by what is at hand beside it: its image recipe, or the .dsf that was made from it."""

    shape: Shape
    by: str  # "the image recipe"
    dtype: str = "float32"


@dataclass(frozen=True)
class CaptureOptions:
    input_shape: ShapeOption = None  # "1,3,224,224", batch first; a sequence of them for several inputs
    dynamic_batch: bool = True
    model: str | None = None  # "package.module:factory", for a state_dict
    model_args: Any = None  # the factory's arguments: a dict, a list, or either as JSON
    trust_pickle: bool = False  # run the code that a pickled module names, or that TorchScript is
    bits: int | None = None  # of a DeepShift checkpoint, where what is written beside it is missing or wrong
    method: str | None = None  # "q", "ps", or "float": nothing in the file is to be rounded
    sign_threshold: float | None = None  # PS: a weight is 0 where |S| is not above it
    activations: str | None = None  # how its shift layers round their inputs: "float", "deepshift:3.5", ...
    weights_key: str | None = None  # which set of weights, where a checkpoint holds several: "ema.module"
    prefix: str | None = None  # what the keys of these weights begin with, beside the model's own: "net."
    input_dtype: str | Sequence[str] = ()  # "int64", one for each input; all float32 where nothing is said
    inputs: Any = None  # instead of shapes and dtypes: an array, a sequence of arrays, or a dict of them by name
    implied_input: ImpliedInput | None = None  # of a single input, for what neither the options nor the source say

    def implied(self, notes: list[str]) -> list[Shape] | None:
        """The implied shape as --input-shape gives one, with a note; None if there is none."""
        if self.implied_input is None or self.inputs is not None:
            return None
        shape = ",".join(map(str, self.implied_input.shape))
        notes.append(f"the source leaves its input's shape open: it is taken from {self.implied_input.by}, {shape}")
        return [self.implied_input.shape]

    def dtypes(self, count: int) -> str | Sequence[str]:
        """Of so many inputs: input_dtype, or the implied one."""
        implied = self.implied_input.dtype if self.implied_input and count == 1 else ()
        return self.input_dtype or implied


@dataclass(frozen=True)
class Captured:
    """model: dimension 0 of its inputs is "N" where the batch is free. sha256: of the source file.

    freed: the source fixes its batch, and capture freed it because nothing seemed to depend on it. name, preprocess and
    labels: what the source says of itself, its images and its classes. meaning: "logits" where it knows that its output
    was trained with cross-entropy, else "". imported: what was done to a DeepShift checkpoint. changes: weights that
    are not the source's own numbers.
    """

    model: ir.Model
    kind: str
    sha256: str | None = None
    notes: list[str] = field(default_factory=list)
    freed: bool = False
    name: str | None = None
    preprocess: Image | None = None
    labels: tuple[str, ...] = ()
    meaning: str = ""
    imported: ImportReport | None = None
    changes: list[Change] = field(default_factory=list)
