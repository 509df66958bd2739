"""safetensors files: weights to the bit in every dtype, in export, convert and train; a crooked file is refused."""

import json

import numpy as np
import pytest
import torch

from dscompress import compile_model, deepshift
from dscompress.capture import CaptureOptions
from dscompress.capture.state_dict import load
from dscompress.errors import CompileError
from dscompress.ptq.source import open_source
from dscompress.torchfile.safetensors_file import DTYPES, as_bytes
from dscompress.torchmodel.fill import fill
from dscompress.training.weights import read_weights
from tests.capture import models

NET = {"model": "tests.capture.models:float_net", "input_shape": models.SHAPE}


def file_of(header, data: bytes = b"", length: int | None = None) -> bytes:
    text = header if isinstance(header, bytes) else json.dumps(header).encode()
    return (len(text) if length is None else length).to_bytes(8, "little") + text + data


def written(folder, content: bytes):
    (folder / "m.safetensors").write_bytes(content)
    return folder / "m.safetensors"


def entry(dtype="F32", shape=(2,), offsets=(0, 8)) -> dict:
    return {"dtype": dtype, "shape": list(shape), "data_offsets": list(offsets)}


def test_bytes_as_the_format_has_them(tmp_path):
    content = bytes.fromhex("4000000000000000") + (
        b'{"a":{"dtype":"F32","shape":[1,2],"data_offsets":[0,8]}}'.ljust(64) + np.float32([1.5, -2]).tobytes()
    )
    assert load(written(tmp_path, content))["a"].tolist() == [[1.5, -2.0]]


@pytest.mark.parametrize("dtype", DTYPES)
def test_every_dtype(tmp_path, dtype):
    torch_dtype = getattr(torch, DTYPES[dtype][0])
    tensor = torch.tensor([[0, 1, 3], [2, 5, 7]]).to(torch_dtype)
    tensors = {"b": tensor, "a": tensor[:1], "none": tensor[:0], "one": tensor[1, 2]}
    found = load(written(tmp_path, as_bytes(tensors, {})))
    assert {key: (value.dtype, tuple(value.shape)) for key, value in found.items()} == {
        "b": (torch_dtype, (2, 3)), "a": (torch_dtype, (1, 3)), "none": (torch_dtype, (0, 3)), "one": (torch_dtype, ()),
    }  # fmt: skip
    assert torch.equal(found["b"].double(), tensor.double()) and found["one"].item() == tensor[1, 2].item()


def test_export_of_each_kind_of_float(tmp_path):
    torch.manual_seed(0)
    state = models.with_statistics(models.float_net()).state_dict()
    torch.save(state, tmp_path / "m.pt")
    expected = compile_model(tmp_path / "m.pt", **NET).data
    report = compile_model(written(tmp_path, as_bytes(state, {"format": "pt"})), name="m", **NET)
    assert report.kind == "state_dict" and report.notes == compile_model(tmp_path / "m.pt", **NET).notes
    sizes = len(report.data), len(expected)
    assert sizes[0] == sizes[1]
    for dtype in (torch.float16, torch.bfloat16, torch.float64):
        net = models.float_net()
        notes = []
        other = {key: value.to(dtype) if value.is_floating_point() else value for key, value in state.items()}
        fill(net, load(written(tmp_path, as_bytes(other, {}))), "net", "m", notes)
        assert torch.equal(net[0].weight, state["0.weight"].to(dtype).float())
        assert notes == [f"found {str(dtype).removeprefix('torch.')} weights, stored as float32"]


def test_shift_layers_trust_and_other_readers(tmp_path):
    net = models.ps_net()
    path = written(tmp_path, as_bytes(net.state_dict(), {}))
    found = deepshift.load(path)
    assert found.method == "ps" and torch.equal(found.state["4.weight"], net[4].effective_weight)
    report = compile_model(path, trust_pickle=True, **NET)
    assert report.shift_weights == 2 and not any("trust-pickle" in note for note in report.notes)
    assert read_weights(str(path))["state_dict"].keys() == models.float_net().state_dict().keys()


def test_convert_writes_safetensors_again(tmp_path):
    state = models.float_net().state_dict()
    path = written(tmp_path, as_bytes({f"net.{key}": value for key, value in state.items()}, {"format": "pt"}))
    source = open_source(path, CaptureOptions(**NET))
    with torch.no_grad():
        source.model[0].weight.fill_(0.25)
    source.save(source.model, str(tmp_path / "new.safetensors"))
    content = (tmp_path / "new.safetensors").read_bytes()
    assert json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")])["__metadata__"] == {"format": "pt"}
    new = load(tmp_path / "new.safetensors")
    assert list(new) == [f"net.{key}" for key in state] and (new["net.0.weight"] == 0.25).all()
    assert torch.equal(new["net.4.weight"], state["4.weight"])


DATA = bytes(8)
WRONG = [
    (file_of({"a": entry()}, DATA[:-1]), "is not within the file"),
    (file_of({"a": entry()}, DATA + b"\0"), "1 bytes at its end are no tensor's"),
    (file_of({"a": entry(offsets=(8, 16))}, DATA * 2), "begins behind bytes of no tensor"),
    (file_of({"a": entry(), "b": entry(offsets=(4, 12))}, bytes(12)), "overlaps another tensor"),
    (file_of({"a": entry(), "b": entry()}, DATA), "overlaps another tensor"),
    (file_of({"a": entry(offsets=(8, 0))}, DATA), "is not within the file"),
    (file_of({"a": entry(offsets=(-8, 0))}, DATA), "is not within the file"),
    (file_of({"a": entry(offsets=(0, 8, 8))}, DATA), "is not within the file"),
    (file_of({"a": entry(offsets=(0, 8.0))}, DATA), "is not within the file"),
    (file_of({"a": entry(shape=(3,))}, DATA), r"has 8 bytes, \(3,\) of F32 are 12"),
    (file_of({"a": entry(shape=(1 << 39, 1 << 39, 0))}, DATA), "has 8 bytes"),
    (file_of({"a": entry(shape=(1 << 39,) * 9)}, DATA), "has 8 bytes"),
    (file_of({"a": entry(shape=(-2, -1))}, DATA), "is no list of counts"),
    (file_of({"a": entry(shape=(True, 2))}, DATA), "is no list of counts"),
    (file_of({"a": entry(shape=(1,) * 99)}, DATA), "is no list of counts"),
    (file_of({"a": entry(dtype="F4")}, DATA), "of dtype F4, which is not read here"),
    (file_of({"a": entry(dtype="F8_E4M3", shape=(8,))}, DATA), "of dtype F8_E4M3, which is not read here"),
    (file_of({"a": entry(dtype=["F32"])}, DATA), "which is not read here"),
    (file_of({"a": {**entry(), "more": 1}}, DATA), "is not a dtype, a shape and data_offsets"),
    (file_of({"a": 3}, DATA), "is not a dtype, a shape and data_offsets"),
    (file_of(b'{"a":' + json.dumps(entry()).encode() + b',"a":' + json.dumps(entry()).encode() + b"}", DATA), "twice"),
    (file_of({"a": entry(), "__metadata__": {"a": 1}}, DATA), "is not text for text"),
    (file_of({"a": entry(), "__metadata__": []}, DATA), "is not text for text"),
    (file_of(b'{"a":', DATA), "its header is no JSON"),
    (file_of(b'{"a":' + b"[" * 100_000, DATA), "its header is no JSON"),
    (file_of(b'{"\xff": 1}', DATA), "its header is no JSON"),
    (file_of({"a": entry()}, length=1 << 20), "its header has 1,048,576 bytes, the file"),
    (file_of({"a": entry()}, length=99 << 20), "has a header of 103,809,024 bytes, more than"),
    (file_of({"a\x1b[2J": entry()}, DATA), "which no layer is called"),
    (file_of({}), "holds no state_dict; it has nothing"),
]


@pytest.mark.parametrize("content, part", WRONG, ids=[str(place) for place in range(len(WRONG))])
def test_what_is_refused(tmp_path, content, part):
    with pytest.raises(CompileError, match=part) as caught:
        compile_model(written(tmp_path, content), **NET)
    assert "\n" not in str(caught.value) and "\x1b" not in str(caught.value)


def test_damage(tmp_path):
    """Cut anywhere, or with any byte of the header changed: an error or other names, never anything else."""
    state = {"a.weight": torch.arange(6.0).reshape(2, 3), "a.bias": torch.ones(2)}
    content = as_bytes(state, {})
    for length in range(9, len(content)):
        with pytest.raises(CompileError):
            load(written(tmp_path, content[:length]))
    numbers = np.random.default_rng(0)
    for _ in range(600):
        damaged = bytearray(content)
        place = int(numbers.integers(0, len(content) - 32))
        damaged[place] = int(numbers.integers(0, 256))
        path = written(tmp_path, bytes(damaged))
        try:
            found = deepshift.load(path).state if damaged[8] == ord("{") else {}
        except CompileError:
            continue
        assert sum(value.numel() for value in found.values()) <= 32
