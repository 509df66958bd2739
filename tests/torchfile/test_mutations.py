"""Damaged in any way, a file is refused with a sentence or gives weights that its method can say; nothing else happens.

tools/fuzz/checkpoints.py does the same for hours.
"""

import random

import pytest

from dscompress import deepshift
from dscompress.errors import CompileError
from tests.torchfile.damage import check_weights, damaged, seeds

COUNT = 200


@pytest.mark.parametrize("name", seeds())
def test_mutations(tmp_path, name):
    data, generator = seeds()[name], random.Random(name)
    path = tmp_path / "checkpoint.pth.tar"
    path.write_bytes(data)
    check_weights(deepshift.load(path))
    refused = 0
    for _ in range(COUNT):
        path.write_bytes(damaged(data, generator))
        try:
            check_weights(deepshift.load(path))
        except CompileError as error:
            refused += 1
            assert str(error).startswith(str(path)) and str(error).isprintable()
    assert refused > COUNT / 4
