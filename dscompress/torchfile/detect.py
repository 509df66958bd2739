"""detect: what a file is, told by its bytes and never by its name. Nothing is unpickled, parsed whole or run here."""

import contextlib
import io
import pickletools
import stat
import zipfile
from io import BufferedIOBase
from pathlib import Path
from typing import Any

from dscompress.errors import CompileError
from dscompress.torchfile.inert import Unreadable
from dscompress.torchfile.safetensors_file import is_safetensors
from dscompress.torchfile.zip_file import directory

EXPORTED_PROGRAM, TORCHSCRIPT, STATE_DICT = "exported program", "TorchScript", "state_dict"
PICKLED_MODULE, ONNX, TRAINING_CHECKPOINT = "pickled module", "ONNX", "training checkpoint"
KNOWN = "a .pt2 of torch.export.save, an .onnx, or a state_dict of torch.save or safetensors"

DSF = b"\x89DSF\r\n\x1a\n"
LEGACY_TORCH = b"\x80\x02\x8a\x0al\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19."
ZIP = b"PK\x03\x04"
OURS = ["format", "dscompress checkpoint"]  # what checkpoint.py writes first
MOST_FIELDS = 1 << 16  # of an ONNX model, whose graph is one of them: functions and metadata are the many
FIRST_BYTES = 1 << 16  # bytes of a pickle that say what it makes

# offset, bytes, what it is, what to do
OTHER_FORMATS = [
    (0, DSF, "is a compiled .dsf already", "look into it with: dscompress inspect {path}"),
    (0, b"GGUF", "is a GGUF file", f"give {KNOWN}"),
    (4, b"TFL3", "is a TensorFlow Lite model", "convert it to ONNX first"),
    (0, b"\x89HDF\r\n\x1a\n", "is an HDF5 file (Keras?)", "convert it to ONNX first"),
    (0, b"\x93NUMPY", "is a NumPy array", f"give {KNOWN}"),
    (0, b"\x89PNG", "is a PNG image", "run a model on it with: dscompress run MODEL.dsf {path}"),
    (0, b"\xff\xd8\xff", "is a JPEG image", "run a model on it with: dscompress run MODEL.dsf {path}"),
    (0, b"\x1f\x8b", "is a gzip archive", "unpack it first"),
    (257, b"ustar", "is a tar archive", "unpack it first, or save the weights with a current PyTorch"),
]


def detect(path: Path) -> str:
    """One of the kinds above; a CompileError names anything else and the way out."""
    where = str(path)
    try:
        if not stat.S_ISREG(mode := path.stat().st_mode) and not stat.S_ISDIR(mode):  # to open a pipe would wait
            raise CompileError(where, "is a device, pipe or socket", KNOWN, "copy its bytes to a file first")
        with path.open("rb") as file:
            return detect_open_file(file, where)
    except FileNotFoundError:
        raise CompileError(where, "no such file", what_to_do="check the path") from None
    except IsADirectoryError:
        raise CompileError(where, "is a folder", KNOWN, "name the file in it") from None
    except OSError as error:
        raise CompileError(where, f"cannot be read ({error.strerror})") from None


def detect_open_file(file: BufferedIOBase, where: str) -> str:
    head = file.read(512)
    if not head:
        raise CompileError(where, "is empty", KNOWN)
    for offset, magic, what, remedy in OTHER_FORMATS:
        if head[offset:].startswith(magic):
            raise CompileError(where, what, KNOWN, remedy.format(path=where))
    if head.startswith(ZIP):
        return kind_of_zip(file, where)
    if head.startswith(LEGACY_TORCH):
        return kind_of_legacy_stream(file, where)
    if is_safetensors(head):
        return STATE_DICT
    if head[0] == 0x80 and head[1] in range(2, 6):
        raise CompileError(where, "is a plain Python pickle", KNOWN, "save the weights with torch.save")
    if is_onnx(file):
        return ONNX
    if is_text(head):
        remedy = "this may be a Git LFS pointer: git lfs pull" if head.startswith(b"version https://git-lfs") else ""
        raise CompileError(where, "is a text file", KNOWN, remedy)
    raise CompileError(where, "is of no known kind", KNOWN)


def kind_of_zip(file: BufferedIOBase, where: str) -> str:
    try:
        directory(file, file.seek(0, 2))  # before anything is made of its members: how many there are
        archive = zipfile.ZipFile(file)
    except Unreadable as reason:
        raise CompileError(where, str(reason), KNOWN, "save or copy it again") from None
    except (ValueError, NotImplementedError, zipfile.BadZipFile):  # all three come from headers that make no sense
        raise CompileError(where, "is a damaged or truncated ZIP archive", KNOWN, "save or copy it again") from None
    # torch puts everything in one folder, which is named after the file
    members = {name.partition("/")[2] or name: name for name in archive.namelist()}
    if "models/model.json" in members or "serialized_exported_program.json" in archive.namelist():
        return EXPORTED_PROGRAM
    if "archive_format" in members:
        raise CompileError(where, "is a .pt2 archive without a model", KNOWN, "save it with torch.export.save")
    if "constants.pkl" in members:
        return TORCHSCRIPT
    if "data.pkl" in members:
        return kind_of_pickle(io.BytesIO(first_bytes(archive, members["data.pkl"])), where)
    raise CompileError(where, "is a ZIP archive that PyTorch did not write", KNOWN)


def first_bytes(archive: zipfile.ZipFile, name: str) -> bytes:
    """Enough to tell what a pickle makes; a member may claim, and unpack to, any length."""
    try:
        with archive.open(name) as member:
            return member.read(FIRST_BYTES)
    except Exception:  # compressed by an unknown method, encrypted, damaged: an empty pickle is refused
        return b""


def kind_of_legacy_stream(file: BufferedIOBase, where: str) -> str:
    """torch.save's old form: four pickles (magic number, version, machine, the object), then the storages."""
    file.seek(0)
    start = io.BytesIO(file.read(FIRST_BYTES))
    try:
        for _ in range(3):
            for _ in pickletools.genops(start):
                pass
    except Exception:
        raise CompileError(where, "is a damaged torch.save file", KNOWN, "save or copy it again") from None
    return kind_of_pickle(start, where)


def kind_of_pickle(pickle: BufferedIOBase, where: str) -> str:
    """A dict is a state_dict or holds one, unless it begins as our checkpoints do; an object is a pickled module."""
    head = pickle.read(FIRST_BYTES)
    name = outermost(io.BytesIO(head), where)
    if name == "dict":
        return TRAINING_CHECKPOINT if first_strings(head, 2) == OURS else STATE_DICT
    if name.startswith("torch._utils _rebuild"):
        raise CompileError(where, "holds a single tensor", KNOWN)
    if name in ("list", "tuple"):
        raise CompileError(where, f"holds a {name}", KNOWN, "save model.state_dict()")
    return PICKLED_MODULE


def outermost(pickle: Any, where: str) -> str:
    """What a pickle makes, from its first opcodes: dict, list, tuple, or the first class "module name"."""
    strings: list[str] = []
    with contextlib.suppress(Exception):
        for opcode, argument, _ in pickletools.genops(pickle):
            if opcode.name == "EMPTY_DICT":
                return "dict"
            if opcode.name == "EMPTY_LIST":
                return "list"
            if opcode.name == "GLOBAL":
                return "dict" if argument == "collections OrderedDict" else str(argument)
            if opcode.name == "STACK_GLOBAL":
                name = " ".join(strings[-2:])
                return "dict" if name == "collections OrderedDict" else name
            if isinstance(argument, str):
                strings.append(argument)
            if opcode.name in ("TUPLE", "TUPLE1", "TUPLE2", "TUPLE3", "EMPTY_TUPLE", "STOP"):
                return "tuple"
    raise CompileError(where, "holds a damaged pickle", KNOWN, "save or copy it again")


def first_strings(pickle: bytes, count: int) -> list[str]:
    strings: list[str] = []
    with contextlib.suppress(Exception):  # damaged: its own reader says so
        for _, argument, _ in pickletools.genops(pickle):
            if isinstance(argument, str):
                strings.append(argument)
            if len(strings) == count:
                break
    return strings


def is_text(head: bytes) -> bool:
    text = head.decode("utf-8", errors="replace")
    return all(letter.isprintable() or letter in "\r\n\t\f" for letter in text[:-1]) and "\ufffd" not in text[:-1]


def is_onnx(file: BufferedIOBase) -> bool:
    """Whether the file begins as MOST_FIELDS of ModelProto's fields (numbers and wire types), a graph among them."""
    varint, length_delimited, graph = 0, 2, 7
    fields = {1: varint, 5: varint} | dict.fromkeys((2, 3, 4, 6, 7, 8, 14, 20, 25, 26), length_delimited)
    size = file.seek(0, 2)
    file.seek(0)
    seen = set()
    for _ in range(MOST_FIELDS):
        if file.tell() >= size:
            break
        tag = read_varint(file)
        if tag is None or fields.get(tag >> 3) != tag & 7:
            return False
        length = read_varint(file)
        if length is None:
            return False
        if tag & 7 == length_delimited and file.seek(length, 1) > size:
            return tag >> 3 == graph  # a truncated model; its own capture says so
        seen.add(tag >> 3)
    return graph in seen


def read_varint(file: BufferedIOBase) -> int | None:
    value = 0
    for shift in range(0, 70, 7):
        byte = file.read(1)
        if not byte:
            return None
        value |= (byte[0] & 0x7F) << shift
        if byte[0] < 0x80:
            return value
    return None
