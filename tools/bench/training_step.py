"""training_step: how much longer a training step of shift layers takes than one of plain layers, the same model.

    python tools/bench/training_step.py [--rounds 7] [--size 32] [--batch 128] [--threads 2] [--only q,ps]

A step is forward, loss with the method's regulariser, backward and the optimiser, of a CIFAR ResNet20. Every method
takes turns with plain layers under the same optimiser (SGD with momentum; RAdam for PS), so that the ratio is about the
layers. Medians over the rounds, after one round that does not count.
"""

import argparse
import statistics
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional

from dscompress.nn import convert, parameter_groups, regularization

# row: convert's arguments, optimiser
ROWS = {
    "q": (dict(method="q", bits=5), "sgd"),
    "ps": (dict(method="ps", bits=5), "radam"),
    "s3": (dict(method="s3", bits=3), "sgd"),
    "dense": (dict(method="dense", bits=3), "sgd"),
    "q-scales": (dict(method="q", bits=4, scale="trained"), "sgd"),
    "ps-fixed": (dict(method="ps", bits=5, activation=(16, 16)), "radam"),
}
OPTIMIZERS: dict[str, Callable] = {
    "sgd": lambda groups: torch.optim.SGD(groups, 0.01, momentum=0.9),
    "radam": lambda groups: torch.optim.RAdam(groups, 0.001),
}
TARGET = 1.6


def main() -> None:
    parser = argparse.ArgumentParser(description="the time of a training step against plain layers")
    parser.add_argument("--rounds", type=int, default=7, help="alternations that count (7)")
    parser.add_argument("--size", type=int, default=32, help="height and width of the images (32)")
    parser.add_argument("--batch", type=int, default=128, help="images a step (128)")
    parser.add_argument("--threads", type=int, default=torch.get_num_threads(), help="torch's threads (all cores)")
    parser.add_argument("--only", default=",".join(ROWS), help="some of " + ",".join(ROWS))
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    print(f"CIFAR ResNet20, {options.size}x{options.size}, batch {options.batch}, {options.threads} threads; "
          f"target {TARGET} times plain layers' step")  # fmt: skip
    for name in options.only.split(","):
        plain, shifted = measure(name, options)
        beside = f"{shifted * 1e3:7.1f} ms against {plain * 1e3:7.1f} ms"
        print(f"{name:10s} {shifted / plain:5.2f} x   {beside}", flush=True)


def measure(name: str, options: argparse.Namespace) -> tuple[float, float]:
    """Median seconds of a step with plain layers and with this row's."""
    arguments, optimizer = ROWS[name]
    torch.manual_seed(0)
    images, labels = torch.randn(options.batch, 3, options.size, options.size), torch.randint(10, (options.batch,))
    steps = [
        step_of(resnet20(), optimizer, images, labels),
        step_of(convert(resnet20(), **arguments)[0], optimizer, images, labels),
    ]
    times: list[list[float]] = [[], []]
    for turn in range(options.rounds + 1):
        for which, step in enumerate(steps):
            start = time.perf_counter()
            step()
            if turn:
                times[which].append(time.perf_counter() - start)
    return statistics.median(times[0]), statistics.median(times[1])


def step_of(model: nn.Module, optimizer: str, images: torch.Tensor, labels: torch.Tensor) -> Callable[[], None]:
    updates = OPTIMIZERS[optimizer](parameter_groups(model, 1e-4))

    def step() -> None:
        updates.zero_grad()
        loss = functional.cross_entropy(model(images), labels) + regularization(model, 1e-4)
        loss.backward()
        updates.step()

    return step


def resnet20() -> nn.Module:
    stages = [(16, 16, 1), (16, 16, 1), (16, 16, 1), (16, 32, 2), (32, 32, 1), (32, 32, 1), (32, 64, 2), (64, 64, 1),
              (64, 64, 1)]  # fmt: skip
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        *(Block(*stage) for stage in stages),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(64, 10),
    )  # fmt: skip


class Block(nn.Module):
    """Two convolutions and a shortcut without parameters: every other pixel, and zeros for the new channels."""

    def __init__(self, channels: int, out_channels: int, stride: int) -> None:
        super().__init__()
        self.stride, self.more = stride, (out_channels - channels) // 2
        self.conv1 = nn.Conv2d(channels, out_channels, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(out_channels)
        self.conv2 = nn.Conv2d(out_channels, out_channels, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(out_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        y = self.bn2(self.conv2(functional.relu(self.bn1(self.conv1(x)))))
        if self.more:
            x = functional.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, self.more, self.more))
        return functional.relu(x + y)


if __name__ == "__main__":
    main()
