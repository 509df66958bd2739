"""What a CUDA error means and what to do about it: the driver's name for it, in, a BackendError out.

A sticky error has destroyed the context: everything afterwards in the same process fails, whatever it is.
"""

from __future__ import annotations

from dsruntime.errors import BackendError

# name -> what was found, what was expected, what to do
MEANINGS = {
    "NO_DEVICE": (
        "the driver sees no GPU",
        "an NVIDIA GPU that this process may use",
        "check nvidia-smi and CUDA_VISIBLE_DEVICES, or use --backend cpu",
    ),
    "INVALID_DEVICE": ("no such GPU", "the number of a GPU that this process may use", "check CUDA_VISIBLE_DEVICES"),
    "OUT_OF_MEMORY": (
        "the GPU has not enough free memory",
        "room for the weights and activations",
        "run smaller batches, close other sessions and programs on the GPU, or use --backend cpu",
    ),
    "SYSTEM_DRIVER_MISMATCH": (
        "the driver and its library are of two versions",
        "one version of both",
        "restart the machine after a driver update",
    ),
    "COMPAT_NOT_SUPPORTED_ON_DEVICE": (
        "the driver is too old for this CUDA version, and this GPU cannot bridge that",
        "a newer NVIDIA driver",
        "update the driver",
    ),
    "INSUFFICIENT_DRIVER": (
        "the driver is too old",
        "a driver at least as new as the CUDA version of PyCUDA",
        "update the driver, or build PyCUDA with older headers (docs/cuda.md)",
    ),
    "NO_BINARY_FOR_GPU": (
        "the kernels were compiled for another architecture",
        "kernels for this GPU",
        "install nvidia-cuda-nvrtc, so that they are compiled here",
    ),
    "INVALID_IMAGE": (
        "compiled kernels are damaged, or newer than the driver",
        "kernels that this driver can load",
        "empty the kernel cache (dscompress doctor names it) or update the driver",
    ),
    "UNSUPPORTED_PTX_VERSION": (
        "compiled kernels are newer than the driver",
        "kernels that this driver can load",
        "update the driver, or install an older nvidia-cuda-nvrtc",
    ),
    "DEVICES_UNAVAILABLE": (
        "the GPU is used exclusively by another process",
        "a GPU that this process may use",
        "wait for the other process, or choose another GPU with CUDA_VISIBLE_DEVICES",
    ),
    "OPERATING_SYSTEM": (
        "the operating system keeps the GPU from this process",
        "access to /dev/nvidia*",
        "check the rights of this user or container",
    ),
    "SYSTEM_NOT_READY": ("the driver is not ready", "its daemons running", "start nvidia-fabricmanager"),
    "NOT_INITIALIZED": (
        "CUDA was not started in this process",
        "CUDA started in the process that uses it",
        "do not fork after CUDA has started: use multiprocessing's 'spawn'",
    ),
    "DEINITIALIZED": ("CUDA is shutting down", "a running process", "close sessions before the program ends"),
    "STREAM_CAPTURE_UNSUPPORTED": (
        "the given stream is being captured into a graph",
        "a stream that is not",
        "run the session outside of the capture",
    ),
}
DEAD = ("a new process", "restart the process; if it happens again, report the model and the GPU")
STICKY = {
    "ILLEGAL_ADDRESS": "a kernel touched memory that is not its own",
    "MISALIGNED_ADDRESS": "a kernel read a misaligned address",
    "ILLEGAL_INSTRUCTION": "a kernel ran an illegal instruction",
    "INVALID_ADDRESS_SPACE": "a kernel used an address of the wrong kind",
    "INVALID_PC": "a kernel jumped nowhere",
    "HARDWARE_STACK_ERROR": "a kernel overran its stack",
    "ASSERT": "a kernel's assertion failed",
    "LAUNCH_FAILED": "a kernel failed",
    "LAUNCH_TIMEOUT": "a kernel ran too long for a GPU that also drives a display",
    "ECC_UNCORRECTABLE": "the GPU's memory lost bits",
    "CONTEXT_IS_DESTROYED": "something else in this process destroyed the GPU's context",
    "UNKNOWN": "the GPU failed for a reason that the driver does not know",
}
CODES = {
    1: "INVALID_VALUE",
    2: "OUT_OF_MEMORY",
    3: "NOT_INITIALIZED",
    4: "DEINITIALIZED",
    35: "INSUFFICIENT_DRIVER",
    46: "DEVICES_UNAVAILABLE",
    100: "NO_DEVICE",
    101: "INVALID_DEVICE",
    200: "INVALID_IMAGE",
    209: "NO_BINARY_FOR_GPU",
    214: "ECC_UNCORRECTABLE",
    222: "UNSUPPORTED_PTX_VERSION",
    304: "OPERATING_SYSTEM",
    700: "ILLEGAL_ADDRESS",
    702: "LAUNCH_TIMEOUT",
    709: "CONTEXT_IS_DESTROYED",
    710: "ASSERT",
    714: "HARDWARE_STACK_ERROR",
    715: "ILLEGAL_INSTRUCTION",
    716: "MISALIGNED_ADDRESS",
    717: "INVALID_ADDRESS_SPACE",
    718: "INVALID_PC",
    719: "LAUNCH_FAILED",
    802: "SYSTEM_NOT_READY",
    803: "SYSTEM_DRIVER_MISMATCH",
    804: "COMPAT_NOT_SUPPORTED_ON_DEVICE",
    900: "STREAM_CAPTURE_UNSUPPORTED",
    999: "UNKNOWN",
}


def is_sticky(name: str) -> bool:
    return name in STICKY


def backend_error(name: str, doing: str) -> BackendError:
    """name: without CUDA_ERROR_; doing: what was asked for, "allocating 12 bytes"."""
    if name in STICKY:
        return BackendError(
            "cuda", f"{STICKY[name]} ({name}, noticed while {doing}); the GPU is lost to this process", *DEAD
        )
    if name in MEANINGS:
        found, expected, what_to_do = MEANINGS[name]
        return BackendError("cuda", f"{found} ({name}, {doing})", expected, what_to_do)
    return BackendError(
        "cuda",
        f"the driver says {name}, {doing}",
        "success",
        "run dscompress doctor; if that finds nothing, report the model and the GPU",
    )
