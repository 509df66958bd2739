"""What a file is, told by its bytes; every wrong kind gets a message that names it and the way out."""

import io
import os
import zipfile

import pytest

from dscompress.capture import CaptureOptions, capture
from dscompress.errors import CompileError
from dscompress.torchfile import detect


def zipped(**members: bytes) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return buffer.getvalue()


WRONG = [
    (b"", "is empty"),
    (b"hello, I am a text file\n", "is a text file"),
    ("größer als ß\n".encode(), "is a text file"),
    (b"version https://git-lfs.github.com/spec/v1\noid sha256:00\n", "git lfs pull"),
    (b"\x89DSF\r\n\x1a\n" + bytes(64), "is a compiled .dsf already; .*dscompress inspect"),
    (b"\x80\x04\x95" + bytes(20), "is a plain Python pickle"),
    (b"GGUF\x03", "is a GGUF file"),
    (b"\x1c\x00\x00\x00TFL3", "is a TensorFlow Lite model"),
    (b"\x89HDF\r\n\x1a\n", "is an HDF5 file"),
    (b"\x93NUMPY\x01\x00", "is a NumPy array"),
    (b"\x89PNG\r\n\x1a\n", "is a PNG image; .*dscompress run"),
    (b"\x1f\x8b\x08", "is a gzip archive"),
    ((20).to_bytes(8, "little") + b'{"a": {}}' + bytes(20), "is a damaged or truncated safetensors file"),
    (bytes(range(256)), "is of no known kind"),
    (b"\xff\xfe\xfd" * 99, "is of no known kind"),
    (zipped(readme=b"x"), "a ZIP archive that PyTorch did not write"),
    (b"PK\x03\x04" + bytes(50), "is a damaged or truncated ZIP archive"),
    (zipped(**{"m/data.pkl": b"\x80\x02junk"}), "holds a damaged pickle"),
    (zipped(**{"m/archive_format": b"pt2"}), "a .pt2 archive without a model"),
]


@pytest.mark.parametrize("content, part", WRONG, ids=[part.split(";")[0] for _, part in WRONG])
def test_wrong_kinds(tmp_path, content, part):
    path = tmp_path / "model.pt"
    path.write_bytes(content)
    with pytest.raises(CompileError, match=part) as caught:
        capture(path, CaptureOptions(input_shape="1,2"))
    assert str(caught.value).startswith(str(path)) and "\n" not in str(caught.value)


def test_no_file_and_a_folder(tmp_path):
    with pytest.raises(CompileError, match="no such file"):
        capture(tmp_path / "nothing.pt")
    with pytest.raises(CompileError, match="is a folder"):
        capture(tmp_path)


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(CompileError, match="is a device, pipe or socket"):
        capture(tmp_path / "pipe")


def test_a_large_file_of_tiny_fields_is_given_up_early(monkeypatch):
    """producer_name = "", again and again, 20 MB of it: no graph comes, and a reader of all of it would take long."""
    file = io.BytesIO(b"\x12\x00" * 10_000_000)
    reads = []
    monkeypatch.setattr(detect, "read_varint", lambda file, read=detect.read_varint: reads.append(1) or read(file))
    assert not detect.is_onnx(file)
    assert len(reads) == 2 * detect.MOST_FIELDS


def test_a_model_of_many_functions_is_onnx():
    functions, graph = b"\xca\x01\x00" * 10_000, b"\x3a\x00"
    assert detect.is_onnx(io.BytesIO(functions + graph)) and detect.is_onnx(io.BytesIO(graph + functions))
