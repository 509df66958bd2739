"""conversion: what converting torchvision's networks without training costs, and how much closer it is than naive.

    python tools/bench/conversion.py [--only cost,fidelity] [--images 256] [--networks resnet18,mobilenet_v2]

    cost        resnet50, 5 bits, 256 photographs of 224 x 224: seconds, processor seconds and peak memory, in a process
    fidelity    signal to noise and top-1 agreement with the float network on photographs that conversion never saw,
                beside the naive conversion, at 5, 4 and 3 bits

Pretrained weights are not downloaded: weights are PyTorch's initialisation, BatchNorm has random scales and statistics
estimated on photographs, the last bias is moved so that classes differ by image (tools/zoo.py). Such networks amplify
noise far more than trained ones do; the table says how conversions compare, not what accuracy they keep.
"""

import argparse
import importlib
import json
import resource
import subprocess
import sys
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools"))

SECONDS, GIGABYTES = 600, 6.0
TEST_IMAGES = 48


def main() -> None:
    parser = argparse.ArgumentParser(description="measure conversion without training")
    parser.add_argument("--only", default="cost,fidelity", help="some of cost,fidelity")
    parser.add_argument("--images", type=int, default=256, help="calibration images (256)")
    parser.add_argument("--networks", default="resnet18,mobilenet_v2", help="networks of the fidelity table")
    parser.add_argument("--bits", default="5,4,3", help="bits of the fidelity table")
    parser.add_argument("--child", metavar="NETWORK", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        return child(options.child, options.images)
    if "cost" in options.only:
        cost(options.images)
    if "fidelity" in options.only:
        for name in options.networks.split(","):
            fidelity(name, options.images, [int(bits) for bits in options.bits.split(",")])


def cost(images: int) -> None:
    command = [sys.executable, __file__, "--child", "resnet50", "--images", str(images)]
    found = json.loads(subprocess.check_output(command, text=True))
    print(
        f"resnet50, 5 bits, {images} images: {found['seconds']:.0f} s, {found['processor']:.0f} s of processors, "
        f"peak {found['gigabytes']:.2f} GB (targets for 256: {SECONDS} s, {GIGABYTES:.0f} GB); "
        f"top-1 agreement on held-out images {found['top1']:.1%}",
        flush=True,
    )


def child(name: str, images: int) -> None:
    import torch
    from zoo import photographs

    from dscompress.ptq import convert

    model, inputs = float_model(name), torch.from_numpy(photographs(images, seed=5))
    started, spent = time.perf_counter(), time.process_time()
    _, report = convert(model, inputs, bits=5)
    print(json.dumps({
        "seconds": time.perf_counter() - started, "processor": time.process_time() - spent,
        "gigabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6, "top1": report.held_out.top1,
    }))  # fmt: skip


def fidelity(name: str, images: int, all_bits: list[int]) -> None:
    import torch
    from zoo import photographs

    from dscompress.ptq import convert

    model = float_model(name)
    every = torch.from_numpy(photographs(images + TEST_IMAGES, seed=5))
    inputs, test = every[:images], every[images:]
    for bits in all_bits:
        for label, ingredients in (("ours", None), ("naive", ())):
            converted, _ = convert(model, inputs, bits=bits, ingredients=ingredients)
            noise, top1 = compare(model, converted, test)
            print(f"{name}, {bits} bits, {label}: signal to noise {-noise:.1f} dB, top-1 {top1:.1%}", flush=True)


def compare(model, converted, test) -> tuple[float, float]:
    """Noise over signal in dB, and the share of equal answers."""
    import torch

    from dscompress.ptq.report import decibels

    with torch.no_grad():
        wanted, found = (torch.cat([net.eval()(part) for part in test.split(8)]) for net in (model, converted))
    noise = float((found - wanted).square().sum() / wanted.square().sum())
    return decibels(noise), float((found.argmax(1) == wanted.argmax(1)).float().mean())


def float_model(name: str, seed: int = 1):
    """A calibrated float network of a fixed seed, in eval mode."""
    import torch
    from zoo import ARGUMENTS, calibrate_batch_norms, centre_logits, photographs, wake_zeros

    from dscompress.torchmodel.torchvision_models import with_torchvision

    torch.manual_seed(seed)
    definitions = with_torchvision(lambda: importlib.import_module("torchvision.models"))
    model = getattr(definitions, name)(**ARGUMENTS.get(name, {}))
    wake_zeros(model)
    images = torch.from_numpy(photographs(32, seed=seed))
    calibrate_batch_norms(model.eval(), images)
    centre_logits(model, images)
    return model


if __name__ == "__main__":
    main()
