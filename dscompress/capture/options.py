"""CaptureOptions, what the user says about the source; Captured, the graph that came out of it."""

from dataclasses import dataclass, field
from typing import Any

import onnx_ir as ir

from dscompress.capture.input_shape import ShapeOption


@dataclass(frozen=True)
class CaptureOptions:
    input_shape: ShapeOption = None  # "1,3,224,224", batch first; a sequence of them for several inputs
    dynamic_batch: bool = True
    model: str | None = None  # "package.module:factory", for a state_dict
    model_args: Any = None  # the factory's arguments: a dict, a list, or either as JSON
    trust_pickle: bool = False  # run the code that a pickled module names


@dataclass(frozen=True)
class Captured:
    """model: dimension 0 of its inputs is "N" where the batch is free. sha256: of the source file.

    freed: the source fixes its batch, and capture freed it because nothing seemed to depend on it.
    """

    model: ir.Model
    kind: str
    sha256: str | None = None
    notes: list[str] = field(default_factory=list)
    freed: bool = False
