"""What the compiler made of the CUDA kernels, without a GPU: registers, spills, and the instructions of inner loops.

    python tools/gpu_code.py                       every kernel, every architecture: compiles, and spills nothing
    python tools/gpu_code.py sm_90 linear conv     a table of these kernels' loops: instructions a tile of 1024 weights

Needs NVRTC or nvcc, and nvdisasm (pip install nvidia-cuda-nvdisasm).
"""

from __future__ import annotations

import re
import shutil
import struct
import subprocess
import sys
import tempfile
from collections import Counter
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from dsruntime.backends.cuda import compile as cuda

MULTIPLIES = ("conv", "conv_tiled", "linear", "mat_mul")  # sources of the kernels that use tensor cores
INSTRUCTION = re.compile(r"/\*[0-9a-f]{4,}\*/\s+(?:@!?U?P\w+\s+)?([A-Z][\w.]*)(.*?);")
LABEL = re.compile(r"^\s*(\.L_x_\d+):")


@dataclass(frozen=True)
class Code:
    """loop: instructions of the innermost loop that multiplies, or of none."""

    registers: int
    all: Counter
    loop: Counter

    @property
    def spills(self) -> int:
        return sum(count for name, count in self.all.items() if name in ("LDL", "STL"))


def codes(cubin: bytes) -> dict[str, Code]:
    """Every kernel of a cubin, by name."""
    registers = registers_of(cubin)
    return {
        name: Code(registers[name], counted(lines), counted(multiplying_loop(lines)))
        for name, lines in disassembled(cubin).items()
    }


def registers_of(cubin: bytes) -> dict[str, int]:
    """A cubin is an ELF file; its section .nv.info lists (kernel's symbol, registers) under attribute 0x2f."""
    (at,) = struct.unpack_from("<Q", cubin, 0x28)
    size, count, names = struct.unpack_from("<HHH", cubin, 0x3A)
    headers = [struct.unpack_from("<IIQQQQIIQQ", cubin, at + i * size) for i in range(count)]
    sections = {text_at(cubin, headers[names][4] + header[0]): header for header in headers}
    info, symbols, strings = (sections[name] for name in (".nv.info", ".symtab", ".strtab"))
    found, place = {}, info[4]
    while place < info[4] + info[5]:
        kind, attribute, length = struct.unpack_from("<BBH", cubin, place)
        if (kind, attribute) == (4, 0x2F):
            symbol, registers = struct.unpack_from("<II", cubin, place + 4)
            (name,) = struct.unpack_from("<I", cubin, symbols[4] + symbol * symbols[9])
            found[text_at(cubin, strings[4] + name)] = registers
        place += 4 + (length if kind == 4 else 0)
    return found


def text_at(data: bytes, at: int) -> str:
    return data[at : data.index(b"\0", at)].decode()


def disassembled(cubin: bytes) -> dict[str, list[str]]:
    with tempfile.NamedTemporaryFile(suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        done = subprocess.run([nvdisasm(), "-c", file.name], capture_output=True, text=True, check=True)
    parts = re.split(r"\n\s*\.section\s+\.text\.(\w+)", done.stdout)
    return {name: text.splitlines() for name, text in zip(parts[1::2], parts[2::2], strict=True)}


def nvdisasm() -> str:
    """The path of nvdisasm; FileNotFoundError where there is none."""
    try:
        files = metadata.files("nvidia-cuda-nvdisasm") or []
        found = [Path(str(file.locate())) for file in files if file.name == "nvdisasm"]
    except metadata.PackageNotFoundError:
        found = []
    path = next((str(file) for file in found if file.exists()), None) or shutil.which("nvdisasm")
    if path is None:
        raise FileNotFoundError("no nvdisasm: pip install nvidia-cuda-nvdisasm")
    return path


def counted(lines: list[str]) -> Counter:
    return Counter(match[1].split(".")[0] for line in lines if (match := INSTRUCTION.search(line)))


def multiplying_loop(lines: list[str]) -> list[str]:
    """The shortest run from a label to a jump back to it that holds an HMMA."""
    labels = {match[1]: i for i, line in enumerate(lines) if (match := LABEL.match(line))}
    loops = []
    for i, line in enumerate(lines):
        match = INSTRUCTION.search(line)
        target = re.search(r"\.L_x_\d+", match[2]) if match and match[1].startswith("BRA") else None
        start = labels.get(target[0], i) if target else i
        if start < i and any("HMMA" in inner for inner in lines[start:i]):
            loops.append(lines[start : i + 1])
    return min(loops, key=len, default=[])


def table(architecture: str, sources: list[str]) -> None:
    print(f"| {architecture} | registers | spills | loop | HMMA | LOP3 | LOP3 a tile |")
    print("|---|---|---|---|---|---|---|")
    for source in sources:
        for name, code in sorted(codes(cuda.cubin(source, architecture)).items()):
            tiles = code.loop["HMMA"] / products_of_a_tile(name, architecture)
            share = f"{code.loop['LOP3'] / tiles:.1f}" if tiles else "-"
            print(
                f"| {name} | {code.registers} | {code.spills} | {code.loop.total()} | {code.loop['HMMA']} "
                f"| {code.loop['LOP3']} | {share} |"
            )


def products_of_a_tile(name: str, architecture: str) -> int:
    """HMMA for 16 rows x 64 k: four steps for each eight columns, twice as many before sm_80."""
    columns = 1 if name.startswith("linear") else 8 if name.startswith("conv_tiled") else 4
    return 4 * columns * (2 if architecture == "sm_75" else 1)


def check_all() -> int:
    failures = 0
    for architecture in cuda.ARCHITECTURES:
        made = {source: codes(cuda.cubin(source, architecture)) for source in cuda.sources()}
        every = [(name, code) for kernels in made.values() for name, code in kernels.items()]
        spilling = [name for source in MULTIPLIES for name, code in made[source].items() if code.spills]
        most = max(every, key=lambda item: item[1].registers)
        print(
            f"{architecture}: {len(every)} kernels, at most {most[1].registers} registers ({most[0]}), "
            f"{'no spills' if not spilling else 'spills in ' + ', '.join(spilling)}"
        )
        failures += len(spilling)
    return failures


def main(arguments: list[str]) -> int:
    if not arguments:
        return 1 if check_all() else 0
    table(arguments[0], arguments[1:] or list(MULTIPLIES))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
