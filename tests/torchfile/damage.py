"""Small files of every layout, ways to damage them, and what must hold of whatever is still read from them."""

import io
import pickletools
import random
import zipfile
from functools import cache

import torch
from torch import nn

from dscompress.deepshift import Imported
from dscompress.deepshift.rounding import lowest_shift
from dscompress.torchfile.safetensors_file import as_bytes
from tests.deepshift import originals

TRICKY = [0, 1, 2, 0x7F, 0x80, 0xFF, ord("R"), ord("b"), ord("."), ord("("), ord("t"), ord("c"), ord("Q"), ord("h")]
NUMBERS = [b"\xff\xff\xff\xff", b"\xff\xff\xff\x7f", b"\0\0\0\x80", b"\0\0\0\0", b"\1\0\0\0"]


@cache
def seeds() -> dict[str, bytes]:
    network = originals.trained(nn.Sequential(nn.Conv2d(1, 2, 3), nn.BatchNorm2d(2), nn.Flatten(), nn.Linear(8, 3)))
    made = {}
    for method in ("ps", "q"):
        for legacy in (True, False):
            state = originals.converted(network, method, 4)
            kind = f"{method} {'legacy' if legacy else 'zip'}"
            made[f"checkpoint {kind}"] = originals.saved(originals.checkpoint(state, "small", imagenet=legacy), legacy)
    made["decisions zip"] = originals.saved(originals.decisions(network), False)
    root = originals.FOREIGN.conv_mnist()
    made["module zip"] = originals.saved(originals.whole_module(root, originals.copied(network), "ps", 4, True), False)
    made["safetensors"] = as_bytes(originals.converted(network, "ps", 4), {"format": "pt"})
    other = {"decay": 0.9, "module": {"other.weight": torch.ones(2, 2)}, "moments": [torch.ones(2), torch.ones(2, 3)]}
    made["two sets zip"] = originals.saved({"ema": other, "model": originals.converted(network, "ps", 4)}, False)
    return made


def damaged(data: bytes, generator: random.Random) -> bytes:
    """One to four changes. Those inside of a ZIP's pickle get a new archive around them, checksums right."""
    if data[:2] == b"PK" and generator.random() < 0.8:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            members = {name: archive.read(name) for name in archive.namelist()}
        names = [name for name in members if name.endswith("data.pkl")] * 8 + list(members)
        for _ in range(generator.choice([1, 1, 2, 4])):
            name = generator.choice(names)
            members[name] = change(members[name], generator)
        buffer = io.BytesIO()
        with zipfile.ZipFile(buffer, "w") as archive:
            for name, content in members.items():
                archive.writestr(name, content)
        return buffer.getvalue()
    for _ in range(generator.choice([1, 1, 2, 4])):
        data = change(data, generator)
    return data


def change(data: bytes, generator: random.Random) -> bytes:
    if not data:
        return bytes([generator.randrange(256)])
    at, length = generator.randrange(len(data)), generator.choice([1, 1, 2, 8, 64])
    match generator.randrange(8):
        case 0:
            return data[:at] + bytes([data[at] ^ 1 << generator.randrange(8)]) + data[at + 1 :]
        case 1:
            return data[:at] + bytes([generator.choice(TRICKY)]) + data[at + 1 :]
        case 2:
            return data[:at] + data[at + length :]
        case 3:
            return data[:at] + data[at : at + length] * 2 + data[at + length :]
        case 4:
            return data[:at] + generator.choice(NUMBERS) + data[at + 4 :]
        case 5:
            other = generator.randrange(len(data))
            return data[:at] + data[other : other + length] + data[at:]
        case 6:
            return data[:at] + bytes(generator.randrange(256) for _ in range(length)) + data[at + length :]
    return swap_opcodes(data, generator)


def swap_opcodes(data: bytes, generator: random.Random) -> bytes:
    """One opcode of a pickle in place of another: the result still parses, and means something else."""
    try:
        places = [position for _, _, position in pickletools.genops(data)]
    except ValueError:
        return data[:-1]
    if len(places) < 2:
        return data * 2
    first, second = generator.randrange(len(places) - 1), generator.randrange(len(places) - 1)
    piece = data[places[second] : places[second + 1]]
    return data[: places[first]] + piece + data[places[first + 1] :]


def check_weights(found: Imported) -> None:
    """Every shift layer holds 0 and ±2^k within its range; everything is finite enough to look at, and of its shape."""
    for layer, bits in found.decision.layers.items():
        weight = found.state[f"{layer}.weight"]
        magnitude = weight.abs()
        powers = torch.frexp(magnitude).mantissa
        assert bool(((weight == 0) | (powers == 0.5)).all()), layer
        least, most = (1, 2.0**6) if found.method == "s3" else (2.0 ** lowest_shift(found.method, bits), 1)
        assert bool(((weight == 0) | ((magnitude >= least) & (magnitude <= most))).all()), layer
    assert sum(layer.weights for layer in found.report.layers) == found.report.weights
    for value in [*found.state.values(), *found.latent.values()]:
        value.sum() if value.dtype != torch.bool else value.any()  # touches every element
    found.report.as_dict(), str(found.report), found.notes
