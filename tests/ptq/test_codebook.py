"""Codes: thresholds and ranges by hand, and every code exact."""

import pytest
import torch

from dscompress.errors import CompileError
from dscompress.ptq.codebook import Codebook, check_bits


@pytest.mark.parametrize(
    "bits, zero, least",
    [(2, True, 1), (2, False, 1 / 2), (3, True, 1 / 4), (3, False, 1 / 8), (4, True, 2**-6), (5, False, 2**-15)],
)
def test_the_range_is_that_of_the_file_format(bits, zero, least):
    book = Codebook(bits, zero)
    assert book.least == least
    assert book.round(torch.tensor([7.0, -7.0])).tolist() == [1, -1]
    assert book.round(torch.tensor([least * 0.51, -least * 0.51])).tolist() == [least, -least]
    below = book.round(torch.tensor([least * 0.49, 0.0])).tolist()
    assert below == ([0, 0] if zero else [least, least])


def test_thresholds_are_the_middle_or_the_middle_of_logarithms():
    x = torch.tensor([0.74, 0.76, 0.70, 0.72, -0.37, -0.38])
    assert Codebook(4, True).round(x).tolist() == [0.5, 1, 0.5, 0.5, -0.25, -0.5]
    assert Codebook(4, True, nearest=False).round(x).tolist() == [1, 1, 0.5, 1, -0.5, -0.5]


def test_no_code_is_nearer():
    book = Codebook(4, True)
    codes = torch.tensor([0.0, *(sign * 2.0**-k for k in range(book.levels) for sign in (1, -1))])
    x = torch.randn(1000, generator=torch.Generator().manual_seed(0)) * 0.3
    nearest = (x[:, None] - codes).abs().amin(1)
    torch.testing.assert_close((x - book.round(x)).abs(), nearest, rtol=0, atol=0)


@pytest.mark.parametrize("bits", [1, 6, 4.0, True, "4"])
def test_other_bits_are_refused(bits):
    with pytest.raises(CompileError, match="2 to 5"):
        check_bits(bits)
