"""Damages a file byte by byte with the checksum repaired, and loads and runs what is accepted; a process of its own.

    python -m tests.load.damage FILE START STOP PROGRESS VALUE...

PROGRESS is a file that holds "position value" of the attempt in progress, for whoever finds this process dead. Prints
the counts as JSON. Anything but a refusal or a run within the limits is an exception, and so a failure. VALUE is what
the byte becomes, or "^N" for the byte with N's bits flipped.
"""

from __future__ import annotations

import json
import os
import sys
import warnings
import zlib
from pathlib import Path

import numpy as np

from dsruntime import BackendError, Limits, Model, ModelError

LIMITS = Limits(file_bytes=1 << 20, activation_bytes=16 << 20)
MOST_INPUT_BYTES = 4 << 20


def attempt(data: bytes) -> str:
    """Loads, and runs once at N = 1 and 2: "refused", "ran", "refused to run"."""
    try:
        model = Model.open(data, limits=LIMITS)
    except ModelError as error:
        if not (error.where and error.found and error.expected):
            raise AssertionError(f"a refusal without its parts: {error}") from error
        return "refused"
    _ = model.name, model.metadata, model.graph.producer, model.outputs  # reading an accepted file raises nothing
    outcome = "ran"
    try:
        with model.session("cpu", 1) as session:
            for batch in (1, 2):
                shapes = [[sized(d, batch) for d in info.shape] for info in model.inputs]
                if sum(np.prod(np.array(shape, np.float64)) * 4 for shape in shapes) > MOST_INPUT_BYTES:
                    return "refused to run"
                session.run([np.ones(s, i.dtype) for s, i in zip(shapes, model.inputs, strict=True)])
    except (ModelError, BackendError):
        outcome = "refused to run"
    return outcome


def sized(dimension, batch: int) -> int:
    return dimension if isinstance(dimension, int) else int(dimension[:-1] or 1) * batch


def main(file: str, start: str, stop: str, progress: str, *values: str) -> None:
    warnings.simplefilter("ignore")
    data = bytearray(Path(file).read_bytes())
    counts = {"refused": 0, "ran": 0, "refused to run": 0}
    descriptor = os.open(progress, os.O_WRONLY | os.O_CREAT)
    for position in range(int(start), int(stop)):
        original = data[position]
        for text in values:
            value = original ^ int(text[1:]) if text.startswith("^") else int(text)
            if value == original or 24 <= position < 28:
                continue
            data[position] = value
            os.pwrite(descriptor, f"{position:8d} {value:3d}".encode(), 0)
            data[24:28] = zlib.crc32(data[28:], zlib.crc32(data[:24])).to_bytes(4, "little")
            counts[attempt(bytes(data))] += 1
        data[position] = original
    print(json.dumps(counts))


if __name__ == "__main__":
    main(*sys.argv[1:])
