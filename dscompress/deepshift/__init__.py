"""deepshift: the files of the original DeepShift, and of forks that kept its layout, read as data.

from dscompress import deepshift
found = deepshift.load("models/cifar10/resnet18/shift_ps_all_wb_5/checkpoint.pth.tar")
print(found.report)
net = deepshift.build(found)                  # a float model with the exact weights
net = deepshift.into_model(found)             # shift layers, to train on

file ─torchfile→ inert values ─layout→ tensors ─decide, rounding→ weights
                    ↑ settings: command_args.txt, folder names     architectures ─→ network
"""

from dscompress.deepshift.imported import Imported, ImportedLayer, ImportReport, load
from dscompress.deepshift.into_model import build, into_model

__all__ = ["ImportReport", "Imported", "ImportedLayer", "build", "into_model", "load"]
