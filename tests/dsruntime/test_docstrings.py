"""The examples in docstrings are true."""

import doctest

import pytest

import dsruntime.file
import dsruntime.image
import dsruntime.model
import dsruntime.text
from tests.support import dsf_files


@pytest.mark.parametrize("module", [dsruntime.file, dsruntime.image, dsruntime.model, dsruntime.text, dsf_files])
def test_examples(module):
    failures, tried = doctest.testmod(module)
    assert (failures, tried > 0) == (0, True)
