"""What an export tells: the file, where its bytes went, which weights became shift and why others did not."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from dscompress.compile.assemble import Assembled
from dscompress.errors import DsError
from dsruntime.forms import Codes, Raw
from dsruntime.ledger import Row, ledger
from dsruntime.model import Model
from dsruntime.text import printable

if TYPE_CHECKING:
    from dscompress.deepshift import ImportReport

ALL_FLOAT = (
    "every weight of conv and linear layers stayed float, so the file is no smaller: make them powers of two first, "
    "with `dscompress convert` or by training with shift layers (dscompress.nn.convert, `dscompress train`)"
)


@dataclass(frozen=True)
class FloatWeight:
    """A weight of a conv or linear layer that stayed float, and why."""

    name: str
    op: str
    module: str
    shape: tuple[int, ...]
    reason: str


@dataclass(frozen=True)
class Report:
    """bits_per_weight is the mean over the weights of conv and linear layers, codes and parameters of the codec's."""

    data: bytes = field(repr=False)
    path: str | None
    name: str
    bytes: int
    kind: str
    source_sha256: str | None
    nodes: int
    shift_weights: int
    float_weights: list[FloatWeight]
    bits_per_weight: float | None
    rows: list[Row] = field(repr=False)
    notes: list[str]
    imported: ImportReport | None = None

    def __str__(self) -> str:
        bits = "" if self.bits_per_weight is None else f", {self.bits_per_weight:.2f} bits per conv and linear weight"
        weights = f"{counted(self.shift_weights, 'weight')} as shift"
        weights += f", {len(self.float_weights)} of conv and linear layers as float"
        nodes = counted(self.nodes, "node")
        lines = [f"{self.path or self.name}: {self.bytes:,} bytes, {nodes}, {weights}{bits}"]
        lines += [f"  note: {text}" for text in self.notes]
        if self.all_float:
            return "\n".join(map(printable, [*lines, f"  {ALL_FLOAT}"]))
        lines += [f"  {weight.name} stayed float: {weight.reason}" for weight in self.float_weights]
        return "\n".join(map(printable, lines))

    @property
    def all_float(self) -> bool:
        """No weight became shift, and some could have: then the reasons for each say less than one sentence."""
        return bool(self.float_weights) and not self.shift_weights

    def as_dict(self) -> dict:
        """Everything but the bytes themselves, ready for JSON."""
        plain = {name: getattr(self, name) for name in self.__dataclass_fields__ if name != "data"}
        plain["rows"] = [asdict(row) for row in self.rows]
        plain["float_weights"] = [asdict(weight) for weight in self.float_weights]
        plain["imported"] = None if self.imported is None else self.imported.as_dict()
        return plain


def make_report(data: bytes, path: str | None, assembled: Assembled, model: Model | DsError, captured) -> Report:
    description = assembled.description
    multiplied = [i for i, reader in enumerate(assembled.readers) if reader is not None]
    stored = sum(stored_bytes(description.weights[i].encoded) for i in multiplied)
    elements = sum(assembled.tensors[i].size for i in multiplied)
    notes = list(captured.notes)
    if isinstance(model, DsError):
        notes.append(f"the weights were checked with NumPy and the file was not opened: {model}")
    return Report(
        data=data,
        path=path,
        name=description.name,
        bytes=len(data),
        kind=captured.kind,
        source_sha256=captured.sha256,
        nodes=len(description.nodes),
        shift_weights=sum(isinstance(weight.encoded.form, Codes) for weight in description.weights),
        float_weights=float_weights(assembled),
        bits_per_weight=8 * stored / elements if elements else None,
        rows=[] if isinstance(model, DsError) else ledger(model),
        notes=notes,
        imported=captured.imported,
    )


def counted(number: int, noun: str) -> str:
    """ "1 node", "2 nodes"."""
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def stored_bytes(encoded) -> int:
    parameters = () if encoded.shift is None else (encoded.shift.base, encoded.shift.scale)
    return len(encoded.data) + sum(array.nbytes for array in parameters if array is not None)


def float_weights(assembled: Assembled) -> list[FloatWeight]:
    found = []
    for weight, tensor, reader in zip(assembled.description.weights, assembled.tensors, assembled.readers, strict=True):
        if reader is not None and isinstance(weight.encoded.form, Raw):
            note = weight.encoded.note
            found.append(FloatWeight(weight.source, reader.op, reader.module, tensor.shape, note))
    return found
