"""cuda: kernels of our own on an NVIDIA GPU. Importing this touches nothing of CUDA; open_runner does.

a Model ──lower──▶ Plan ──────▶ launches ──▶ one CUDA graph         for each batch size
          lower/    plan.py                     runner.py

driver.py, drivers.py                               what a GPU is asked for, and who answers:
pycuda_driver.py, emulated_driver.py                a GPU, or this processor
compile.py, cache.py                                kernel sources to cubins
runner.py, prepared.py, device_model.py             a session, its plans and graphs, the weights they share
kernels/                                            NAME.cu beside NAME.py, its launcher
builder.py, fuse.py, plan.py                        a graph to steps in one arena, by dsruntime/plan/
lower/                                              one function an op
interop.py                                          arrays of other libraries on the GPU, in and out
"""

from __future__ import annotations

from dsruntime.backends.cuda.state import availability
from dsruntime.backends.runner import Options, Runner, refuse_precision
from dsruntime.errors import BackendError
from dsruntime.model import Model

__all__ = ["availability", "open_runner"]


def open_runner(model: Model, threads: int | None, options: Options) -> Runner:
    from dsruntime.backends.cuda import pycuda_driver
    from dsruntime.backends.cuda.runner import Runner

    refuse_precision("cuda", options)
    usable, found = (True, "") if pycuda_driver.is_started() else availability()
    if not usable:
        raise BackendError(
            "cuda",
            found,
            "an NVIDIA GPU with its driver, PyCUDA and compiled kernels",
            "install what is missing (docs/cuda.md), or use backend cpu",
        )
    return Runner(model, options.keep_values, options.profile)
