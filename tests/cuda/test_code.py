"""What the compiler makes of kernels: they compile for every architecture, hot ones without spills, on tensor cores.

Hot kernels are compiled for one architecture of each generation here; `python tools/gpu_code.py` does all of them.
"""

import pytest

from dsruntime.backends.cuda import compile as cuda
from dsruntime.errors import BackendError
from tools import gpu_code
from tools.bench import paper_gpu

HOT = gpu_code.MULTIPLIES
GENERATIONS = ("sm_75", "sm_80", "sm_90")
COLD = [*(source for source in cuda.sources() if source not in HOT), paper_gpu.SOURCE]
MOST_REGISTERS = {"linear": 128, "conv": 232, "conv_tiled": 248, "mat_mul": 168}
# LOP3 of a tile of 1024 weights: 25 decode 5 bits (tiles.py), the others are the loop's own
MOST_LOP3 = {"linear_narrow_5": 28, "linear_wide_5": 28, "linear_narrow_5q": 28, "linear_wide_5q": 28}


@pytest.fixture(scope="module", autouse=True)
def compiler():
    try:
        cuda.compiler()
    except BackendError as error:
        pytest.skip(str(error))


@pytest.fixture(scope="module")
def disassembler():
    try:
        return gpu_code.nvdisasm()
    except FileNotFoundError as error:
        pytest.skip(str(error))


@pytest.mark.slow
@pytest.mark.parametrize("architecture", cuda.ARCHITECTURES)
def test_compiles(architecture):
    for source in COLD:
        assert cuda.cubin(source, architecture)[:4] == b"\x7fELF"


@pytest.mark.slow
@pytest.mark.parametrize("architecture", GENERATIONS)
@pytest.mark.parametrize("source", HOT)
def test_hot_kernels(source, architecture, disassembler):
    for name, code in gpu_code.codes(cuda.cubin(source, architecture)).items():
        assert code.spills == 0, f"{name}: {code.spills} loads and stores of local memory"
        assert code.registers <= MOST_REGISTERS[source], f"{name}: {code.registers} registers"
        assert code.loop["HMMA"], f"{name}: no tensor cores"
        if name in MOST_LOP3:
            tiles = code.loop["HMMA"] / gpu_code.products_of_a_tile(name, architecture)
            assert code.loop["LOP3"] <= MOST_LOP3[name] * tiles, f"{name}: {code.loop['LOP3']} LOP3 for {tiles} tiles"
