"""Post-training conversion: a float model becomes a power-of-two model without training.

convert() reads as a table of contents in convert.py; run.py visits the layers, solve.py rounds one.
"""

from dscompress.ptq.convert import convert, sensitivity
from dscompress.ptq.ingredients import INGREDIENTS
from dscompress.ptq.report import ConversionReport

__all__ = ["INGREDIENTS", "ConversionReport", "convert", "sensitivity"]
