"""training_checkpoint: what `dscompress train` wrote. It says itself how the network is built and what it takes.

Options go before what the file says; --model has to be given where the file names code that is neither of this project
nor of torchvision.
"""

from dataclasses import replace
from pathlib import Path

from dscompress import checkpoint
from dscompress.capture import module
from dscompress.capture.options import Captured, CaptureOptions

KIND = "training checkpoint"


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    values = checkpoint.load(path)
    card = checkpoint.card_of(values, where)
    built = checkpoint.build(values, where, options.model, options.model_args)
    options = replace(options, input_shape=options.input_shape or card.input_shape)
    captured = module.capture(built, options, where)
    name = card.model.rpartition(":")[2]
    return replace(
        captured, kind=KIND, name=name, preprocess=card.image, labels=card.labels, meaning="logits"
    )  # what `dscompress train` minimises is cross-entropy
