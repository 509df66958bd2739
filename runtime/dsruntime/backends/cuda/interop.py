"""Arrays on the GPU, in and out, without a copy through the host: torch, CuPy, Numba and others.

in     whatever has __cuda_array_interface__ (version 2 or 3) or __dlpack__
out    DeviceArray, which has both, and numpy()

https://numba.readthedocs.io/en/stable/cuda/cuda_array_interface.html
https://dmlc.github.io/dlpack/latest/python_spec.html and c_api.html
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from dsruntime.backends.cuda.plan import dense
from dsruntime.errors import ModelError

MANAGED = 13  # DLPack's kind of device for memory that moves between host and GPU


@dataclass(frozen=True)
class Borrowed:
    """Somebody else's array: address, strides in elements; owner keeps it alive. stream: where it is being written."""

    address: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    dtype: np.dtype
    owner: object
    stream: int | None = None
    is_borrowed = True

    @property
    def ndim(self) -> int:
        return len(self.shape)


def is_on_device(x: Any, kind: int) -> bool:
    """Whether x is an array of a GPU, by DLPack's kinds of devices; a NumPy array never is."""
    if isinstance(x, np.ndarray):
        return False
    try:
        if hasattr(x, "__cuda_array_interface__"):
            return True
        return hasattr(x, "__dlpack_device__") and x.__dlpack_device__()[0] in (kind, MANAGED)
    except Exception:  # torch raises for tensors of the CPU, and for those that require a gradient
        return False


def borrow(x: Any, kind: int, number: int, stream: int, where: str) -> Borrowed:
    """kind, number: the driver's, as DLPack counts devices; stream: where we will read, for DLPack's producer."""
    if hasattr(x, "__cuda_array_interface__"):
        return from_interface(x, where)
    device = tuple(int(part) for part in x.__dlpack_device__())
    if device not in ((kind, number), (MANAGED, number)):
        raise ModelError(
            where,
            f"an array on device {device[1]} (DLPack type {device[0]})",
            f"one on the session's GPU, {number}",
            "copy it there",
        )
    return from_capsule(x.__dlpack__(stream=stream) if kind == 2 else x.__dlpack__(), where)


def from_interface(x: Any, where: str) -> Borrowed:
    data = x.__cuda_array_interface__
    if data.get("mask") is not None:
        raise ModelError(where, "a masked array", "a plain one", "fill its gaps")
    dtype = np.dtype(data["typestr"])
    steps = data.get("strides")
    if steps is not None and any(step % dtype.itemsize for step in steps):
        raise ModelError(where, f"strides of {steps} bytes", f"multiples of {dtype.itemsize}", "make it contiguous")
    shape = tuple(data["shape"])
    strides = dense(shape) if steps is None else tuple(step // dtype.itemsize for step in steps)
    return Borrowed(data["data"][0], shape, strides, dtype, x, data.get("stream"))


# ---- DLPack, version 0: what every producer gives that is not asked for more


class Device(ctypes.Structure):
    _fields_ = [("type", ctypes.c_int32), ("number", ctypes.c_int32)]


class DataType(ctypes.Structure):
    _fields_ = [("code", ctypes.c_uint8), ("bits", ctypes.c_uint8), ("lanes", ctypes.c_uint16)]


class Array(ctypes.Structure):
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device", Device),
        ("rank", ctypes.c_int32),
        ("dtype", DataType),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("offset", ctypes.c_uint64),
    ]


class Managed(ctypes.Structure):
    pass


Deleter = ctypes.CFUNCTYPE(None, ctypes.POINTER(Managed))
Managed._fields_ = [("array", Array), ("context", ctypes.c_void_p), ("deleter", Deleter)]
CODES = {"i": 0, "u": 1, "f": 2, "b": 6}
python = ctypes.pythonapi
python.PyCapsule_GetPointer.restype = ctypes.c_void_p
python.PyCapsule_GetPointer.argtypes = [ctypes.py_object, ctypes.c_char_p]
python.PyCapsule_SetName.argtypes = [ctypes.py_object, ctypes.c_char_p]
python.PyCapsule_IsValid.argtypes = [ctypes.c_void_p, ctypes.c_char_p]
python.PyCapsule_New.restype = ctypes.py_object
python.PyCapsule_New.argtypes = [ctypes.c_void_p, ctypes.c_char_p, ctypes.c_void_p]
# By address: a capsule in its destructor must not become a Python object again.
pointer_of_dying = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", python)
)
USED = b"used_dltensor"  # capsules keep the address of their name


class Owned:
    """A DLPack array of a producer: taken out of its capsule, deleted with the last reference."""

    def __init__(self, capsule: Any) -> None:
        self.managed = Managed.from_address(python.PyCapsule_GetPointer(capsule, b"dltensor"))
        python.PyCapsule_SetName(capsule, USED)

    def __del__(self) -> None:
        if self.managed.deleter:
            self.managed.deleter(ctypes.byref(self.managed))


def from_capsule(capsule: Any, where: str) -> Borrowed:
    owned = Owned(capsule)
    array = owned.managed.array
    kinds = {code: kind for kind, code in CODES.items()}
    if array.dtype.lanes != 1 or array.dtype.code not in kinds:
        raise ModelError(
            where, f"DLPack type {array.dtype.code} with {array.dtype.bits} bits", "a plain number type", "convert it"
        )
    dtype = np.dtype(f"{kinds[array.dtype.code]}{array.dtype.bits // 8}")
    shape = tuple(array.shape[: array.rank])
    strides = tuple(array.strides[: array.rank]) if array.strides else dense(shape)
    return Borrowed((array.data or 0) + array.offset, shape, strides, dtype, owned)


exported: dict[int, tuple[Any, ...]] = {}  # what consumers hold: by address of the Managed


def give_back(pointer: Any) -> None:
    exported.pop(ctypes.addressof(pointer.contents), None)


def capsule_gone(capsule: int) -> None:
    """The destructor of a capsule that no consumer took."""
    if python.PyCapsule_IsValid(capsule, b"dltensor"):
        exported.pop(pointer_of_dying(capsule, b"dltensor"), None)


# For as long as somebody may call them.
deleter = Deleter(give_back)
destructor = ctypes.CFUNCTYPE(None, ctypes.c_void_p)(capsule_gone)
DLTENSOR = b"dltensor"


class DeviceArray:
    """A result on the GPU, dense; its memory is its own and goes back to the session with the last reference.

    Keep it until whatever reads it has been queued on the stream that was given to run(), or is finished.
    """

    def __init__(
        self,
        address: int,
        shape: Sequence[int],
        dtype: str,
        kind: int,
        number: int,
        stream: int | None,
        download: Callable[[DeviceArray], np.ndarray],
        follow: Callable[[int, int], None],
    ) -> None:
        """stream: where the result is being written; follow(stream, other) makes a stream wait for another."""
        self.address, self.shape, self.dtype = address, tuple(shape), np.dtype(dtype)
        self._device, self._stream, self._download, self._follow = (kind, number), stream, download, follow

    @property
    def __cuda_array_interface__(self) -> dict[str, Any]:
        """stream: where the result is being written, None if it is there."""
        return {
            "shape": self.shape,
            "typestr": self.dtype.str,
            "data": (self.address, False),
            "strides": None,
            "version": 3,
            "stream": self._stream or None,
        }

    def __dlpack_device__(self) -> tuple[int, int]:
        return self._device

    def __dlpack__(
        self,
        *,
        stream: int | None = None,
        max_version: tuple[int, int] | None = None,
        dl_device: tuple[int, int] | None = None,
        copy: bool | None = None,
    ) -> Any:
        if copy or (dl_device is not None and tuple(dl_device) != self._device):
            raise BufferError(f"this array stays where it is, on device {self._device}")
        if self._stream is not None and stream is not None and stream != -1:  # -1: the consumer takes care of it
            self._follow(stream, self._stream)
        shape = (ctypes.c_int64 * len(self.shape))(*self.shape)
        strides = (ctypes.c_int64 * len(self.shape))(*dense(self.shape))
        kind = DataType(CODES[self.dtype.kind], 8 * self.dtype.itemsize, 1)
        array = Array(self.address, Device(*self._device), len(self.shape), kind, shape, strides, 0)
        managed = Managed(array, None, deleter)
        exported[ctypes.addressof(managed)] = (managed, shape, strides, self)
        return python.PyCapsule_New(ctypes.addressof(managed), DLTENSOR, ctypes.cast(destructor, ctypes.c_void_p))

    def numpy(self) -> np.ndarray:
        """A copy on the host, once the result is there."""
        return self._download(self)
