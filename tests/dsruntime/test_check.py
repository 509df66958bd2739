"""check() and dsf_check: they take what Model.open takes, refuse what it refuses, and keep nothing."""

import ctypes
from pathlib import Path

import pytest

from dsruntime import BackendError, Limits, Model, ModelError, Summary, check, library
from tests.dsruntime.models import classifier

SEEDS = sorted((Path(__file__).resolve().parents[2] / "tools/fuzz/corpus").glob("*.dsf"))


def test_every_seed_is_right_from_a_path_and_from_memory():
    for path in SEEDS:
        graph = Model.open(path).graph
        expected = Summary(path.stat().st_size, len(graph.nodes), len(graph.weights))
        assert check(path) == check(path.read_bytes()) == check(memoryview(path.read_bytes())) == expected


def test_the_callers_limit_holds(tmp_path):
    data = classifier()
    (tmp_path / "m.dsf").write_bytes(data)
    for source in (data, tmp_path / "m.dsf"):
        assert check(source, limits=Limits(file_bytes=len(data), activation_bytes=1)).bytes == len(data)
        with pytest.raises(ModelError, match="file_bytes"):
            check(source, limits=Limits(file_bytes=len(data) - 1))


def test_a_path_that_leads_nowhere(tmp_path):
    with pytest.raises(BackendError, match="cannot be opened"):
        check(tmp_path / "missing.dsf")
    with pytest.raises(ModelError, match="NUL"):
        check("a\0b")


@pytest.mark.parametrize("offset", range(17))
def test_bytes_may_lie_anywhere(offset):
    """A file in the middle of another one: copied where it is not aligned."""
    data = classifier()
    buffer = ctypes.create_string_buffer(len(data) + 64)
    start = ctypes.addressof(buffer) + -ctypes.addressof(buffer) % 16 + offset
    ctypes.memmove(start, data, len(data))
    found = library.Summary()
    library.call("dsf_check_memory", start, len(data), None, found)
    assert (found.bytes, found.nodes, found.weights) == (len(data), 2, 2)
    ctypes.memset(start + len(data) - 1, 0xFF, 1)
    with pytest.raises(ModelError, match="model in memory"):
        library.call("dsf_check_memory", start, len(data), None, found)
