"""The whole road on scanned digits: train, turn the weights into powers of two, train again, ship.

    python -m dscompress.demo [FOLDER]       under a minute on two cores; FOLDER is demo/ unless given

FOLDER then holds digits.pt (the trained weights), labels.txt, seven.png (a scan that training never saw) and
digits.dsf, which the commands at the end make, run, verify and take apart.
"""

import copy
import shlex
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import torch
from torch import nn
from torch.nn import functional

from dscompress.nn import convert

BITS = 5


def float_net() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1, bias=False), nn.BatchNorm2d(16), nn.ReLU(),
        nn.Conv2d(16, 32, 3, padding=1, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(32, 64, 3, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(64 * 2 * 2, 10),
    )  # fmt: skip


def shift_net() -> nn.Module:
    """What the weights in digits.pt belong to; `dscompress export --model dscompress.demo:shift_net` calls it."""
    model, _ = convert(float_net(), method="ps", bits=BITS)
    return model


def main(folder: Path) -> None:
    torch.manual_seed(0)
    torch.set_num_threads(1)  # the net is so small that a second thread only waits
    train_x, train_y, test_x, test_y = digits()

    baseline = float_net()
    train(baseline, torch.optim.Adam(baseline.parameters(), lr=3e-3), train_x, train_y, epochs=12)
    report("float32", baseline, test_x, test_y)

    q, _ = convert(copy.deepcopy(baseline), method="q", bits=BITS)
    train(q, torch.optim.SGD(q.parameters(), lr=1e-2, momentum=0.9), train_x, train_y, epochs=10)
    report(f"{BITS}-bit Q", q, test_x, test_y)

    ps, _ = convert(copy.deepcopy(baseline), method="ps", bits=BITS)
    train(ps, torch.optim.RAdam(ps.parameters(), lr=3e-3), train_x, train_y, epochs=10)
    report(f"{BITS}-bit PS", ps, test_x, test_y)

    folder.mkdir(parents=True, exist_ok=True)
    torch.save(ps.state_dict(), folder / "digits.pt")
    (folder / "labels.txt").write_text("zero\none\ntwo\nthree\nfour\nfive\nsix\nseven\neight\nnine\n")
    write_png(test_x[test_y == 7][0], folder / "seven.png")

    source = "--model dscompress.demo:shift_net --input-shape 1,1,8,8"
    command(f"export digits.pt -o digits.dsf {source} --preprocess digits --labels labels.txt --require-shift", folder)
    command("run digits.dsf seven.png", folder)
    command(f"verify digits.dsf digits.pt {source}", folder)
    command("inspect digits.dsf", folder)


def digits() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]:
    """1,347 scans of 8x8 to train on and 450 to test with, in [0, 1]."""
    try:
        from sklearn.datasets import load_digits
        from sklearn.model_selection import train_test_split
    except ImportError:
        sys.exit('the demo trains on scikit-learn\'s digits: pip install "dscompress[compiler,demo]"')
    data = load_digits()
    images = (data.images / 16).astype(np.float32)[:, None]
    split = train_test_split(images, data.target, test_size=0.25, stratify=data.target, random_state=0)
    train_x, test_x, train_y, test_y = map(torch.from_numpy, split)
    return train_x, train_y, test_x, test_y


def train(model: nn.Module, optimizer: torch.optim.Optimizer, x: torch.Tensor, y: torch.Tensor, epochs: int) -> None:
    """The learning rate falls to zero along a cosine."""
    model.train()
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, epochs)
    for _ in range(epochs):
        for batch in torch.randperm(len(x)).split(32):
            optimizer.zero_grad()
            functional.cross_entropy(model(x[batch]), y[batch]).backward()
            optimizer.step()
        schedule.step()


def report(name: str, model: nn.Module, x: torch.Tensor, y: torch.Tensor) -> None:
    model.eval()
    with torch.no_grad():
        right = int((model(x).argmax(1) == y).sum())
    print(f"{name:<10} {100 * right / len(y):6.2f} %  ({right} of {len(y)} held-out scans)", flush=True)


def write_png(scan: torch.Tensor, path: Path, zoom: int = 16) -> None:
    """Each pixel of the 8x8 scan as a square of zoom x zoom, large enough to look at."""
    from PIL import Image

    pixels = (scan[0] * 255).round().to(torch.uint8).numpy()
    Image.fromarray(pixels.repeat(zoom, axis=0).repeat(zoom, axis=1)).save(path)


def command(arguments: str, folder: Path) -> None:
    print(f"\n$ dscompress {arguments}", flush=True)
    done = subprocess.run([sys.executable, "-m", "dscompress", *shlex.split(arguments)], cwd=folder)
    if done.returncode:
        sys.exit(done.returncode)


if __name__ == "__main__":
    started = time.perf_counter()
    main(Path(sys.argv[1] if len(sys.argv) > 1 else "demo"))
    print(f"\nAll of it in {sys.argv[1] if len(sys.argv) > 1 else 'demo'}/, {time.perf_counter() - started:.0f} s.")
