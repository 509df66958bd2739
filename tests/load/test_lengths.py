"""Files that are too short, too long, glued together, or not .dsf at all."""

import io
import zipfile

import numpy as np
import pytest
from PIL import Image

from dsruntime import BackendError, Limits, Model, ModelError
from tests.load.refusal import is_refused, refusal
from tests.load.small_model import small_model
from tests.support.dsf_files import repair_crc


def test_every_truncation_is_refused():
    data = small_model()
    assert all(is_refused(data[:length]) for length in range(len(data)))


def test_every_truncation_with_a_repaired_checksum_is_refused():
    data = small_model()
    assert all(is_refused(repair_crc(data[:length])) for length in range(len(data)))


def test_every_truncation_with_repaired_length_and_checksum_is_refused():
    data = bytearray(small_model())
    for length in range(64, len(data)):
        short = data[:length]
        short[16:24] = length.to_bytes(8, "little")
        assert is_refused(repair_crc(short)), length


def test_every_appended_byte_is_refused():
    data = small_model()
    assert all(is_refused(data + bytes([value])) for value in range(256))
    assert all(is_refused(repair_crc(data + bytes([value]))) for value in range(256))


def test_appended_junk_is_refused():
    data = small_model()
    junk = np.random.default_rng(1).bytes(1 << 20)
    assert "after its end" in refusal(data + junk)
    assert "after its end" in refusal(data + bytes(1 << 20))
    assert "after its end" in refusal(data + data)


def archive() -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w") as file:
        file.writestr("weights", b"1234")
    return out.getvalue()


def picture() -> bytes:
    out = io.BytesIO()
    Image.new("RGB", (8, 8)).save(out, "PNG")
    return out.getvalue()


OTHERS = {
    "ZIP": archive(),
    "PNG": picture(),
    "PDF": b"%PDF-1.7\n1 0 obj\n<< >>\nendobj\ntrailer\n<< >>\n%%EOF\n",
    "ELF": b"\x7fELF\x02\x01\x01" + bytes(57),
    "text": b"model, epoch 7\n" * 20,
    "pickle": b"\x80\x04\x95\x10\x00\x00\x00\x00\x00\x00\x00}\x94.",
    "zeros": bytes(4096),
    "one byte": b"\x89",
    "magic of another line ending": b"\x89DSF\n\x1a\n" + bytes(100),
}


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_are_refused_from_memory_and_from_a_file(kind, tmp_path):
    path = tmp_path / "model.dsf"
    path.write_bytes(OTHERS[kind])
    assert "\\x89DSF" in refusal(OTHERS[kind]) or kind == "one byte"
    assert str(path) in refusal(path)


@pytest.mark.parametrize("kind", OTHERS)
def test_other_formats_glued_before_and_after_are_refused(kind):
    data = small_model()
    assert is_refused(OTHERS[kind] + data)
    assert is_refused(data + OTHERS[kind])


def test_a_file_is_refused_with_the_same_sentence_from_memory_and_from_a_path(tmp_path):
    data = bytearray(small_model())
    path = tmp_path / "model.dsf"
    for position in range(0, len(data), 7):
        damaged = bytes(data[:position]) + bytes([data[position] ^ 64]) + bytes(data[position + 1 :])
        path.write_bytes(damaged)
        assert refusal(path).replace(str(path), "model in memory") == refusal(damaged)


def test_an_empty_file_a_directory_and_a_missing_one(tmp_path):
    (tmp_path / "empty.dsf").write_bytes(b"")
    assert "empty" in refusal(tmp_path / "empty.dsf")
    assert "empty" in refusal(b"")
    assert "directory" in refusal(tmp_path)
    with pytest.raises((BackendError, ModelError), match=r"missing\.dsf"):
        Model.open(tmp_path / "missing.dsf")
    with pytest.raises(ModelError, match="regular"):
        Model.open("/dev/zero")


def test_a_file_over_the_callers_limit_is_refused(tmp_path):
    data = small_model()
    path = tmp_path / "model.dsf"
    path.write_bytes(data)
    for source in (data, path):
        Model.open(source, limits=Limits(file_bytes=len(data)))
        with pytest.raises(ModelError, match="file_bytes"):
            Model.open(source, limits=Limits(file_bytes=len(data) - 1))


def test_a_sparse_file_of_many_gigabytes_is_refused_at_once(tmp_path):
    path = tmp_path / "sparse.dsf"
    with path.open("wb") as file:
        file.truncate(1 << 40)
    assert "file_bytes" in refusal(path)
    with path.open("r+b") as file:
        file.truncate(3 << 30)
    assert "\\x89DSF" in refusal(path)
