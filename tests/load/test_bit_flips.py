"""Every single-bit flip of a file is refused."""

from dsruntime import Model
from tests.load.refusal import is_refused
from tests.load.small_model import small_model


def test_the_undamaged_file_runs():
    assert Model.open(small_model()).name == "small"


def test_every_bit_flip_is_refused():
    data = bytearray(small_model())
    accepted = []
    for position in range(len(data) * 8):
        data[position // 8] ^= 1 << position % 8
        if not is_refused(data):
            accepted.append(position)
        data[position // 8] ^= 1 << position % 8
    assert not accepted, f"bits {accepted[:20]} of {len(data) * 8}"


def test_zeroed_doubled_and_swapped_blocks_are_refused():
    data = small_model()
    size = 256
    blocks = [data[i : i + size] for i in range(0, len(data), size)]
    accepted = []
    for i in range(len(blocks)):
        zeroed = [*blocks[:i], bytes(len(blocks[i])), *blocks[i + 1 :]]
        doubled = [*blocks[: i + 1], *blocks[i:]]
        swapped = [*blocks[:i], *blocks[i + 1 : i + 2], blocks[i], *blocks[i + 2 :]]
        for damaged in map(b"".join, (zeroed, doubled, swapped)):
            if damaged != data and not is_refused(damaged):
                accepted.append(i)
    assert not accepted


def test_inserted_and_deleted_bytes_are_refused():
    data = small_model()
    for i in range(len(data)):
        assert is_refused(data[:i] + data[i + 1 :]), f"byte {i} deleted"
        assert is_refused(data[:i] + b"\0" + data[i:]), f"a byte inserted at {i}"
