"""Training layers with power-of-two weights, and what turns a float model into one that has them."""

from dscompress.nn.bake import bake
from dscompress.nn.convert import ConversionReport, convert
from dscompress.nn.layers import ShiftConv2d, ShiftLinear
from dscompress.nn.methods import METHODS

__all__ = ["METHODS", "ConversionReport", "ShiftConv2d", "ShiftLinear", "bake", "convert"]
