"""The networks that `dscompress train` and --model know by their names."""

import pytest
import torch

from dscompress import checkpoint
from dscompress.models.digits import small_mobilenet, small_resnet


def test_deepshifts_networks_for_cifar_are_built_in():
    built = checkpoint.build_float("cifar_resnet20", {"classes": 7}, "test").eval()
    assert built(torch.zeros(1, 3, 32, 32)).shape == (1, 7)


@pytest.mark.parametrize("make", [small_resnet, small_mobilenet])
@pytest.mark.parametrize("side", [8, 32])
def test_the_built_in_networks_take_8_to_32_pixels_gray_and_colour(make, side):
    for channels in (1, 3):
        model = make(classes=5, channels=channels, width=4).eval()
        assert model(torch.zeros(2, channels, side, side)).shape == (2, 5)
