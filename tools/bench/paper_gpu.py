"""paper_gpu: the comparison of DeepShift's paper on a GPU: naive multiplications against naive shifts, ResNet18.

    python tools/bench/paper_gpu.py [--batch 1] [--rounds 20] [--device 0]

The paper put the latency of its shift kernels 25 % below that of its multiplying ones. Both are unoptimised, and both
are rebuilt here from the description (paper_gpu.cu): the same im2col, 16 x 16 tiles and col2im; shifts read weights
packed six to a word and activations as 16.16 fixed point. Printed with the buffers of every call allocated and freed
around it, as there, and with buffers that stay. These are not the kernels that dsruntime runs, and neither is cuDNN.

Exit code 4 where there is no GPU.
"""

from __future__ import annotations

import argparse
import ctypes
import statistics
import sys
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from dsruntime.backends.cuda.driver import Driver, active
from dsruntime.backends.cuda.drivers import open_driver
from dsruntime.backends.cuda.launch import Launch, blocks, pointer
from dsruntime.errors import BackendError

SOURCE = str(Path(__file__).resolve().with_suffix(""))
SIDE, CODES_OF_WORD, FRACTION = 16, 6, 1 << 16
PAPER = 25  # per cent


@dataclass(frozen=True)
class Layer:
    """A convolution; times: how often the network has it. A fully-connected layer is one of a single pixel."""

    channels: int
    size: int
    outputs: int
    kernel: int = 3
    stride: int = 1
    times: int = 1

    @property
    def pad(self) -> int:
        return self.kernel // 2

    @property
    def out_size(self) -> int:
        return (self.size + 2 * self.pad - self.kernel) // self.stride + 1

    @property
    def pixels(self) -> int:
        return self.out_size**2

    @property
    def depth(self) -> int:
        return self.channels * self.kernel**2


RESNET18 = [
    Layer(3, 224, 64, 7, 2),
    Layer(64, 56, 64, times=4),
    Layer(64, 56, 128, stride=2),
    Layer(64, 56, 128, 1, 2),
    Layer(128, 28, 128, times=3),
    Layer(128, 28, 256, stride=2),
    Layer(128, 28, 256, 1, 2),
    Layer(256, 14, 256, times=3),
    Layer(256, 14, 512, stride=2),
    Layer(256, 14, 512, 1, 2),
    Layer(512, 7, 512, times=3),
    Layer(512, 1, 1000, 1),
]


class Image(ctypes.Structure):
    _fields_ = [
        (name, ctypes.c_int32)
        for name in ("channels", "height", "width", "out_height", "out_width", "kernel", "stride", "pad")
    ]


def pack_codes(signs: np.ndarray, shifts: np.ndarray) -> np.ndarray:
    """[outputs][k] signs (1 is negative) and shifts 0 .. 15 to words of six codes of five bits, rows padded."""
    codes = (signs << 4 | shifts).astype(np.uint32)
    codes = np.pad(codes, ((0, 0), (0, -codes.shape[1] % CODES_OF_WORD)))
    grouped = codes.reshape(len(codes), -1, CODES_OF_WORD)
    return np.bitwise_or.reduce(grouped << np.arange(CODES_OF_WORD, dtype=np.uint32) * 5, axis=2).astype(np.uint32)


def launches(layer: Layer, kind: str, x: int, weight: int, columns: int, product: int, y: int) -> list[Launch]:
    """One image through one layer; kind is "multiply" or "shift". All buffers hold four-byte words."""
    image = Image(
        layer.channels, layer.size, layer.size, layer.out_size, layer.out_size, layer.kernel, layer.stride, layer.pad
    )
    sizes = np.int32(layer.pixels), np.int32(layer.outputs)
    grid = blocks(layer.outputs, SIDE), blocks(layer.pixels, SIDE), 1
    return [
        Launch(
            SOURCE,
            "im2col",
            (blocks(layer.pixels * layer.depth, 256), 1, 1),
            (256, 1, 1),
            (image, pointer(x), pointer(columns)),
        ),
        Launch(
            SOURCE,
            f"{kind}_product",
            grid,
            (SIDE, SIDE, 1),
            (pointer(columns), pointer(weight), pointer(product), *sizes, np.int32(layer.depth)),
        ),
        Launch(
            SOURCE,
            "col2im",
            (blocks(layer.pixels * layer.outputs, 256), 1, 1),
            (256, 1, 1),
            (pointer(product), pointer(y), *sizes),
        ),
    ]


class Buffers:
    """What one call of a layer writes besides y: made once, or for every call."""

    def __init__(self, driver: Driver, layer: Layer) -> None:
        self.driver = driver
        self.addresses = [
            driver.allocate(4 * layer.pixels * layer.depth),
            driver.allocate(4 * layer.pixels * layer.outputs),
        ]

    def free(self) -> None:
        for address in self.addresses:
            self.driver.free(address)


def layer_seconds(driver: Driver, stream: int, layer: Layer, kind: str, batch: int, rounds: int, keep: bool) -> float:
    """The median time of one layer for a batch; keep: the same buffers for every image and round."""
    x, y = driver.allocate(4 * layer.channels * layer.size**2), driver.allocate(4 * layer.pixels * layer.outputs)
    weight = driver.allocate(4 * layer.outputs * layer.depth)
    for address, words in ((x, layer.channels * layer.size**2), (weight, layer.outputs * layer.depth)):
        driver.fill(address, 0x3C, 4 * words, stream)  # a number in every reading of it
    kept = Buffers(driver, layer) if keep else None
    times = []
    for _ in range(rounds + 1):
        first, last = driver.event(), driver.event()
        driver.record(first, stream)
        for _ in range(batch):
            buffers = kept or Buffers(driver, layer)
            for launch in launches(layer, kind, x, weight, *buffers.addresses, y):
                driver.launch(launch, stream)
            if not keep:
                driver.synchronize(stream)
                buffers.free()
        driver.record(last, stream)
        driver.synchronize(stream)
        times.append(driver.seconds(first, last))
        driver.release_event(first), driver.release_event(last)
    if kept:
        kept.free()
    for address in (x, y, weight):
        driver.free(address)
    return statistics.median(times[1:])  # the first one loads the kernels


def network_seconds(driver: Driver, kind: str, batch: int, rounds: int, keep: bool, layers=RESNET18) -> float:
    stream = driver.stream()
    try:
        return sum(layer.times * layer_seconds(driver, stream, layer, kind, batch, rounds, keep) for layer in layers)
    finally:
        driver.release_stream(stream)


def measured(driver: Driver, batch: int, rounds: int, layers=RESNET18) -> list[dict]:
    """A row for each way of allocating: milliseconds of a batch, and by how many per cent shifts are below."""
    rows = []
    for keep, name in ((False, "allocating in every call"), (True, "keeping the buffers")):
        multiply, shift = (network_seconds(driver, kind, batch, rounds, keep, layers) for kind in ("multiply", "shift"))
        rows.append(
            {
                "buffers": name,
                "multiplications, ms": multiply * 1000,
                "shifts, ms": shift * 1000,
                "latency lower, %": 100 * (1 - shift / multiply),
                "the paper, %": PAPER,
            }
        )
    return rows


def report(driver: Driver, batch: int, rounds: int, layers=RESNET18) -> None:
    print(f"{driver.device}: ResNet18's convolutions and last layer, 224 x 224, batch {batch}, medians of {rounds}")
    for row in measured(driver, batch, rounds, layers):
        print(
            f"  {row['buffers']}: multiplications {row['multiplications, ms']:.3f} ms, shifts "
            f"{row['shifts, ms']:.3f} ms: latency {row['latency lower, %']:+.1f} % lower with shifts "
            f"(the paper: {PAPER} %)"
        )


def main() -> int:
    parser = argparse.ArgumentParser(description="naive multiplications against naive shifts on a GPU")
    parser.add_argument("--batch", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=20)
    parser.add_argument("--device", type=int, default=0)
    options = parser.parse_args()
    try:
        driver = open_driver(options.device)
        with active(driver):
            report(driver, options.batch, options.rounds)
    except BackendError as error:
        print(f"paper_gpu: not measured: {error}", file=sys.stderr)
        return 4
    return 0


if __name__ == "__main__":
    sys.exit(main())
