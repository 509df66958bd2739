"""dtypes: a note where weights are found in another float type: the file's operators compute in float32."""

from collections.abc import Iterable


def note_dtypes(found: Iterable[str], notes: list[str]) -> None:
    """found: the float types of the weights, "float64"; one note for all that are not float32, said once."""
    others = sorted(set(found) - {"float32"})
    text = f"found {' and '.join(others)} weights, stored as float32"
    if others and text not in notes:
        notes.append(text)
