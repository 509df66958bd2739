"""--input-shape: "1,3,224,224", once for each input of the model; the first number is the batch."""

from collections.abc import Sequence
from typing import Any

from dscompress.errors import CompileError

HOW = "--input-shape 1,3,224,224 (batch first; once for each input)"

Shape = tuple[int, ...]
ShapeOption = str | Sequence[int] | Sequence[str] | Sequence[Sequence[int]] | None


def parse_input_shapes(option: ShapeOption) -> list[Shape] | None:
    """One shape for each input, from "1,3,32,32", (1, 3, 32, 32), or a sequence of either."""
    if option is None or (not isinstance(option, str) and len(option) == 0):
        return None
    if isinstance(option, str) or all(isinstance(item, int) for item in option):
        return [parse_shape(option)]
    return [parse_shape(shape) for shape in option]


def parse_shape(shape: Any) -> Shape:
    parts = shape.replace("x", ",").split(",") if isinstance(shape, str) else shape
    try:
        numbers = tuple(int(part) for part in parts)
    except (TypeError, ValueError):
        numbers = ()
    if not numbers or min(numbers) < 1:
        raise CompileError(f"input shape {shape!r}", "is not a list of positive numbers", what_to_do=f"write {HOW}")
    return numbers
