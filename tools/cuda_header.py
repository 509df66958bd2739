"""Writes kernels/tile_decode.h from dsruntime/backends/cuda/tiles.py; tests/cuda/test_tiles.py compares."""

from dsruntime.backends.cuda.emulation import KERNELS
from dsruntime.backends.cuda.tiles import header

if __name__ == "__main__":
    (KERNELS / "tile_decode.h").write_text(header())
