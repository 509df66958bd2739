"""tune: what a tuning constant of libdsf decides, measured over a range of values, today's marked with a star.

    python tools/bench/tune.py                                   the constants there are, and what they are measured on
    python tools/bench/tune.py panels [turns ...] [--threads 2] [--rounds 7]

For each value a libdsf is built of a copy of the sources with that one constant changed (build/bench/tune; ccache is
used where it is installed). All of them take turns on the same networks and layers, each in a process of its own, as in
cpu.py. Figures are medians in milliseconds; a difference of one per cent is noise.
"""

import argparse
import os
import re
import shutil
import statistics
import subprocess
from dataclasses import dataclass
from pathlib import Path

from cpu import LAYERS, Layer, Side, layer_files, take_turns
from spine import FOLDER, ROOT, dsf_file

SOURCE = ROOT / "runtime" / "libdsf" / "src"
WORK = FOLDER / "tune"
IMAGE = (1, 3, 224, 224)


@dataclass(frozen=True)
class Constant:
    """`NAME = VALUE` in a file of libdsf; cases: names of LAYERS or MORE, of networks, "NETWORK, batch N"."""

    name: str
    file: str
    values: tuple[int, ...]
    cases: tuple[str, ...]


MORE = {
    "fc 1024 to 1024, batch 64": Layer("linear", (1024, 1024), (64, 1024)),
    "fc 768 to 3072, batch 197": Layer("linear", (768, 3072), (197, 768)),
}
SMALL = "fc 1024 to 1024, batch 64"
ROWS = "fc 768 to 3072, batch 197"
PLANES = ("depthwise 3x3 144, 56x56", "mobilenet_v2")
DEEP = ("conv 3x3 64 to 64, 56x56", "conv 3x3 512 to 512, 7x7", "vgg16")

GROUPS = {
    "panels": (
        Constant("MOST_OF_K", "kernels/panels.cpp", (256, 384, 512, 768, 1024), (ROWS, "resnet50")),
        Constant("SMALL_PANELS", "kernels/panels.cpp", (16 << 10, 64 << 10, 256 << 10), ("resnet18", "vgg16")),
        Constant("WHOLE_K", "kernels/panels.cpp", (512, 768, 1024), (ROWS, "resnet50")),
    ),
    "products": (
        Constant("ROWS_TOGETHER", "operators/panel_product.cpp", (96, 192, 384), (ROWS, "vit_b_16")),
        Constant("ROWS_A_PACKING", "operators/panel_product.cpp", (192, 384, 768), ("vit_b_16",)),
        Constant("LEAST_ROWS", "operators/panel_product.cpp", (24, 48, 96), (SMALL, ROWS)),
        Constant("ENOUGH_WORK", "operators/panel_product.cpp", (1 << 18, 1 << 20, 1 << 22), (SMALL, "vit_b_16")),
    ),
    "convolutions": (
        Constant("ENOUGH_WORK", "operators/convolution.cpp", (1 << 16, 1 << 18, 1 << 20), ("mobilenet_v2", "resnet18")),
        Constant("MOST_ROWS", "operators/convolution.cpp", (96, 192, 384), ("resnet18", "mobilenet_v2")),
        Constant("FEWEST_ROWS", "operators/convolution.cpp", (24, 48, 96), ("resnet18", "mobilenet_v2")),
        Constant("NARROW_IMAGE", "operators/convolution.cpp", (1, 6, 12), ("mobilenet_v2", "efficientnet_b0")),
        Constant("PADDED_FLOATS", "operators/convolution_direct.cpp", (1 << 19, 1 << 21, 1 << 23), ("vgg16, batch 4",)),
        Constant("ROWS", "operators/convolution_planes.cpp", (8, 32, 128), PLANES),
        Constant("PLANE_FLOATS", "operators/convolution_planes.cpp", (1024, 4096, 16384), PLANES),
        Constant("CHANNELS", "operators/convolution_depthwise.cpp", (64, 256, 1024), ("efficientnet_b0",)),
    ),
    "winograd": (
        Constant("MOST_CHANNELS", "operators/convolution_winograd.cpp", (64, 128, 256), DEEP),
        Constant("V_FLOATS", "operators/convolution_winograd.cpp", (80 << 10, 160 << 10, 320 << 10), DEEP),
        Constant("MOST_TILES", "operators/convolution_winograd.cpp", (32, 64, 128), DEEP),
    ),
    "packed": (
        Constant("WEIGHTS_A_TASK", "operators/packed_product.cpp", (1 << 16, 1 << 18, 1 << 20), ("fc 4096 to 4096",)),
    ),
    "turns": (
        Constant("CACHE_SHARE", "plan/turns.cpp", (2, 4, 8, 16), ("resnet50, batch 8", "mobilenet_v2, batch 8")),
    ),
    "loops": (
        Constant("GRAIN", "operators/parallel.h", (4096, 16384, 65536), ("mobilenet_v2", "efficientnet_b0")),
        Constant("WORKER_SPINS", "base/threads.cpp", (1000, 4000, 16000), ("mobilenet_v2", "resnet18")),
    ),
}


def main() -> None:
    parser = argparse.ArgumentParser(description="measure libdsf's tuning constants again")
    parser.add_argument("groups", nargs="*", metavar="GROUP", help="some of " + ", ".join(GROUPS))
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="of a session (all processors)")
    parser.add_argument("--rounds", type=int, default=7, help="turns of each value (7)")
    options = parser.parse_args()
    unknown = [group for group in options.groups if group not in GROUPS]
    if unknown:
        parser.error(f"no group {', '.join(unknown)}; there are {', '.join(GROUPS)}")
    for group, constants in GROUPS.items():
        for constant in constants:
            if not options.groups:
                print(f"{group:13} {constant.name:14} {constant.file:36} {'; '.join(constant.cases)}")
            elif group in options.groups:
                measure(constant, options.threads, options.rounds)


def measure(constant: Constant, threads: int, rounds: int) -> None:
    today = value_of(constant)
    values = sorted({*constant.values, today})
    libraries = {value: built(constant, value) for value in values}
    print(f"\n{constant.name} in {constant.file}, {threads} threads: milliseconds")
    print(" " * 34 + "".join(f"{f'{value}*' if value == today else value:>12}" for value in values))
    for case in constant.cases:
        file, shape = file_of(case)
        sides = {value: Side("dsf", file, threads, shape, library) for value, library in libraries.items()}
        times = take_turns(sides, rounds)
        for side in sides.values():
            side.end()
        print(f"{case:34}" + "".join(f"{statistics.median(times[value]) * 1e3:12.3f}" for value in values), flush=True)


# ---- constants in the sources


def pattern(constant: Constant) -> re.Pattern:
    return re.compile(rf"(?<=\b{constant.name} = )[^,;]+")


def value_of(constant: Constant) -> int:
    """Today's. Raises LookupError where the file has no such constant, or several."""
    found = pattern(constant).findall((SOURCE / constant.file).read_text())
    if len(found) != 1:
        raise LookupError(f"{constant.file} sets {constant.name} {len(found)} times")
    return eval(re.sub(r"int64_t[({](\d+)[)}]", r"\1", found[0]), {"__builtins__": {}})


def built(constant: Constant, value: int) -> Path:
    """A libdsf that has this value."""
    library = WORK / f"{constant.name}_{value}.so"
    sources = WORK / "runtime"
    refresh(sources)
    changed = sources / "libdsf" / "src" / constant.file
    original = changed.read_text()
    changed.write_text(pattern(constant).sub(str(value), original))
    launcher = ["-DCMAKE_CXX_COMPILER_LAUNCHER=ccache"] if shutil.which("ccache") else []
    commands = (
        ["cmake", "-S", sources, "-B", WORK / "build", "-DCMAKE_BUILD_TYPE=Release", *launcher],
        ["cmake", "--build", WORK / "build", "--target", "dsf", "--parallel"],
    )
    try:
        for command in commands:
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    finally:
        changed.write_text(original)
    shutil.copy((WORK / "build" / "libdsf.so").resolve(), library)
    return library


def refresh(sources: Path) -> None:
    """A copy of runtime/, in which only what differs is written, so that only that is compiled again."""
    for path in (ROOT / "runtime").rglob("*"):
        if path.is_file() and path.suffix not in (".pyc", ".so", ".cu"):
            copy = sources / path.relative_to(ROOT / "runtime")
            if not copy.exists() or copy.read_bytes() != path.read_bytes():
                copy.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, copy)


# ---- what is measured


def file_of(case: str) -> tuple[Path, tuple[int, ...]]:
    layer = (LAYERS | MORE).get(case)
    if layer:
        return layer_files(layer)["ours"], layer.shape
    network, _, batch = case.partition(", batch ")
    return dsf_file(network), (int(batch or 1), *IMAGE[1:])


if __name__ == "__main__":
    main()
