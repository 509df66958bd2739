"""Training layers with power-of-two weights, and what turns a float model into one that has them."""

from dscompress.nn.bake import bake
from dscompress.nn.convert import ConversionReport, convert
from dscompress.nn.describe import describe, restore
from dscompress.nn.groups import parameter_groups
from dscompress.nn.layers import ShiftConv2d, ShiftLayer, ShiftLinear
from dscompress.nn.methods import METHODS
from dscompress.nn.regularize import regularization, shift_regularization, zero_regularization
from dscompress.nn.rounding import round_in_place
from dscompress.nn.select import First, Last
from dscompress.nn.setting import Setting

__all__ = [
    "METHODS",
    "ConversionReport",
    "First",
    "Last",
    "Setting",
    "ShiftConv2d",
    "ShiftLayer",
    "ShiftLinear",
    "bake",
    "convert",
    "describe",
    "parameter_groups",
    "regularization",
    "restore",
    "round_in_place",
    "shift_regularization",
    "zero_regularization",
]
