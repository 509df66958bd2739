"""The whole road on scanned digits: train, turn the weights into powers of two, train again, ship.

    python -m dscompress.demo [FOLDER]       under a minute on two cores; FOLDER is demo/ unless given

Every step is a command that is shown as it is called. FOLDER then holds the three training runs, float/, q/ and ps/,
seven.png (a scan that training never saw) and digits.dsf, which the last commands make, run, verify and take apart.
"""

import shlex
import shutil
import subprocess
import sys
import time
from pathlib import Path

import torch

from dscompress.errors import DsError
from dscompress.training import Tensors, digits

RUNS = {
    "float": "--method float --epochs 12",
    "q": "--weights float/best.pt --method q --bits 5 --epochs 8",
    "ps": "--weights float/best.pt --method ps --bits 5 --epochs 8",
}


def main(folder: Path) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    scans = digits().validation
    assert isinstance(scans, Tensors)
    write_png(scans.images[scans.targets == 7][0], folder / "seven.png")

    for name, options in RUNS.items():
        shutil.rmtree(folder / name, ignore_errors=True)
        command(f"train digits -o {name} {options}", folder)
    command("export ps/best.pt -o digits.dsf --require-shift", folder)
    command("run digits.dsf seven.png", folder)
    command("verify digits.dsf ps/best.pt", folder)
    command("inspect digits.dsf", folder)


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
    target = Path(sys.argv[1] if len(sys.argv) > 1 else "demo")
    try:
        main(target)
    except DsError as error:
        sys.exit(str(error))
    print(f"\nAll of it in {target}/, {time.perf_counter() - started:.0f} s.")
