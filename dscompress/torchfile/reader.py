"""A file of torch.save, either form, or safetensors, read as data: the object it holds, tensors on request.

Nothing that the file names is imported or called, so this needs no trust. It refuses with CompileError.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import torch

from dscompress.errors import CompileError
from dscompress.torchfile.inert import Storage, Tensor, Unreadable
from dscompress.torchfile.legacy_file import LegacyFile
from dscompress.torchfile.pickle_machine import Machine
from dscompress.torchfile.safetensors_file import SafetensorsFile, is_safetensors
from dscompress.torchfile.zip_file import ZipFile

MOST_TENSOR_BYTES = 4 << 30
COPY_AGAIN = "save or copy it again"
OTHER_WAY = "save the weights alone: torch.save(model.state_dict(), 'weights.pt')"


class UnusualTensors(CompileError):
    """A sound file without tensors that are read here: sparse, quantised, or none at all."""


class TorchFile:
    """root: what the file holds, in dicts, lists and the records of inert.py. names: the classes it names."""

    def __init__(self, file, size: int) -> None:
        magic = file.read(9)
        file.seek(0)
        self.size = size
        self.source: ZipFile | LegacyFile | SafetensorsFile
        if is_safetensors(magic):
            self.source = SafetensorsFile(file, size)
            self.root, self.names = self.source.root, []
        elif magic[:4] == b"PK\x03\x04":
            self.source = ZipFile(file, size)
            machine = Machine(self.source.pickle, self.source.persistent)
            self.root, used = machine.run()
            if used != len(self.source.pickle):
                raise Unreadable("holds a pickle that goes on after its end", damage=False)
            self.names = list(machine.names)
        else:
            self.source = LegacyFile(file, size)
            self.root, self.names = self.source.root()

    def tensors(self, records: dict[str, Tensor]) -> dict[str, torch.Tensor]:
        """The tensors, as views of their storages; together no more than twice the file, whatever it says."""
        wanted = sum(record.elements * record.storage.item_bytes for record in records.values())
        if wanted > min(MOST_TENSOR_BYTES, 2 * self.size):
            raise Unreadable(f"claims {wanted:,} bytes of weights in {self.size:,} bytes", damage=False)
        storages: dict[Storage, torch.Tensor] = {}
        for record in records.values():
            if record.storage not in storages:
                storages[record.storage] = self.whole(record.storage)
        return {
            name: storages[record.storage].as_strided(record.shape, record.strides, record.offset)
            for name, record in records.items()
        }

    def whole(self, storage: Storage) -> torch.Tensor:
        if not storage.elements:
            return torch.empty(0, dtype=getattr(torch, storage.dtype))
        data = self.source.storage_bytes(storage)
        if storage.dtype == "bool":  # any other byte than 0 and 1 is no bool
            return torch.frombuffer(data, dtype=torch.uint8) != 0
        return torch.frombuffer(data, dtype=getattr(torch, storage.dtype))


def check_sums(path: Path) -> None:
    """Refuses an archive with a damaged member, whose checksum torch.load does not look at. The old form has none."""
    try:
        with path.open("rb") as file:
            if file.read(4) == b"PK\x03\x04":
                archive = ZipFile(file, path.stat().st_size)
                for name in archive.members:
                    archive.bytes_of(name)
    except Unreadable as reason:
        raise CompileError(str(path), str(reason), what_to_do=COPY_AGAIN) from None


@contextmanager
def opened(path: Path) -> Iterator[TorchFile]:
    """Refusals inside of the block, too, become CompileErrors with the file's name."""
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # to open a pipe would wait
            raise CompileError(str(path), "is no file", "a file of torch.save")
        with path.open("rb") as file:
            yield TorchFile(file, status.st_size)
    except Unreadable as reason:
        kind = UnusualTensors if reason.unusual else CompileError
        remedy = reason.remedy or (COPY_AGAIN if reason.damage else OTHER_WAY)
        raise kind(str(path), str(reason), what_to_do=remedy) from None
    except OSError as error:
        raise CompileError(str(path), f"cannot be read ({error.strerror})") from None
