"""libdsf through ctypes: the whole of dsf.h, struct by struct and function by function.

library() loads it once. It is looked for in the file that DSF_LIBRARY names (for developers: a build folder's
libdsf.so), then beside this package in every folder of its __path__: an editable install keeps the Python files in the
checkout and puts the library into site-packages.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading
import weakref
from ctypes import (
    POINTER,
    c_char,
    c_char_p,
    c_double,
    c_float,
    c_int32,
    c_int64,
    c_size_t,
    c_uint16,
    c_uint32,
    c_uint64,
    c_void_p,
)
from typing import Any

from dsruntime.caps import MAX_RANK
from dsruntime.errors import BackendError, Cancelled, DsError, ModelError

ABI_VERSION = 2
OK = 0
ERRORS: dict[int, type[DsError]] = {1: ModelError, 2: BackendError, 3: Cancelled}  # by dsf_status
DTYPES = {1: "float32", 2: "float16", 3: "int8", 4: "uint8", 5: "int32", 6: "int64", 7: "bool"}
STEP_DTYPES = {**DTYPES, 8: "bfloat16"}  # what steps compute in
ALGORITHMS = {1: "direct", 2: "winograd_4x4"}
MEMORIES = {"fast": 0, "low": 1}
PRECISIONS = {"float32": 0, "bf16": 1}
DTYPE_CODES = {name: code for code, name in DTYPES.items()}


class Struct(ctypes.Structure):
    """A struct of dsf.h: it begins with its own size, which says to the library how much of it there is."""

    _fields_ = [("struct_size", c_size_t)]

    def __init__(self, *values: Any, **named: Any) -> None:
        super().__init__(ctypes.sizeof(self), *values, **named)


class Error(Struct):
    _fields_ = [
        ("status", c_int32),
        ("where", c_char * 256),
        ("found", c_char * 512),
        ("expected", c_char * 512),
        ("what_to_do", c_char * 512),
        ("message", c_char * 1792),
    ]


class Tensor(Struct):
    _fields_ = [
        ("dtype", c_int32),
        ("rank", c_int32),
        ("shape", c_int64 * MAX_RANK),
        ("data", c_void_p),
        ("bytes", c_size_t),
    ]


class Limits(Struct):
    _fields_ = [
        ("file_bytes", c_uint64),
        ("activation_bytes", c_uint64),
        ("plan_bytes", c_uint64),
        ("weight_bytes", c_uint64),
        ("multiply_adds", c_uint64),
    ]


class SessionOptions(Struct):
    _fields_ = [
        ("threads", c_int32),
        ("keep_values", c_int32),
        ("profile", c_int32),
        ("memory", c_int32),
        ("precision", c_int32),
    ]


class IsaInfo(Struct):
    _fields_ = [("name", c_char_p), ("needs", c_char_p), ("available", c_int32), ("chosen", c_int32), ("bf16", c_int32)]


class Summary(Struct):
    _fields_ = [("bytes", c_uint64), ("nodes", c_int32), ("weights", c_int32)]


class ValueInfo(Struct):
    _fields_ = [("name", c_char_p), ("dtype", c_int32), ("rank", c_int32), ("shape", c_int64 * MAX_RANK)]


class ImageRecipe(Struct):
    _fields_ = [
        ("layout", c_char_p),
        ("color", c_char_p),
        ("resize", c_char_p),
        ("filter", c_char_p),
        ("channels", c_int32),
        ("size", c_int32 * 2),
        ("crop", c_int32 * 2),
        ("pad", c_int32 * 3),
        ("mean", c_float * 3),
        ("std", c_float * 3),
    ]


class StepProfile(Struct):
    _fields_ = [
        ("op", c_char_p),
        ("node", c_char_p),
        ("module", c_char_p),
        ("kernel", c_char_p),
        ("seconds", c_double),
        ("activation_type", c_int32),
        ("sum_type", c_int32),
        ("algorithm", c_int32),
    ]


# Handles of models and sessions are void pointers: function name -> result, arguments, in the order of dsf.h.
FUNCTIONS = {
    "dsf_abi_version": (c_uint32, []),
    "dsf_version": (c_char_p, []),
    "dsf_isa": (c_char_p, []),
    "dsf_isa_check": (c_int32, [POINTER(Error)]),
    "dsf_isa_count": (c_int32, []),
    "dsf_isa_row": (c_int32, [c_int32, POINTER(IsaInfo), POINTER(Error)]),
    "dsf_processors": (c_int32, []),
    "dsf_op_count": (c_int32, []),
    "dsf_op_name": (c_char_p, [c_int32]),
    "dsf_check": (c_int32, [c_char_p, POINTER(Limits), POINTER(Summary), POINTER(Error)]),
    "dsf_check_memory": (c_int32, [c_void_p, c_size_t, POINTER(Limits), POINTER(Summary), POINTER(Error)]),
    "dsf_model_open": (c_int32, [c_char_p, POINTER(Limits), POINTER(c_void_p), POINTER(Error)]),
    "dsf_model_from_memory": (c_int32, [c_void_p, c_size_t, POINTER(Limits), POINTER(c_void_p), POINTER(Error)]),
    "dsf_model_destroy": (None, [c_void_p]),
    "dsf_model_name": (c_char_p, [c_void_p]),
    "dsf_model_format_version": (None, [c_void_p, POINTER(c_uint16), POINTER(c_uint16)]),
    "dsf_model_bytes": (None, [c_void_p, POINTER(c_void_p), POINTER(c_size_t)]),
    "dsf_model_value_count": (c_int32, [c_void_p]),
    "dsf_model_input_count": (c_int32, [c_void_p]),
    "dsf_model_output_count": (c_int32, [c_void_p]),
    "dsf_model_weight_count": (c_int32, [c_void_p]),
    "dsf_model_value": (c_int32, [c_void_p, c_int32, POINTER(ValueInfo), POINTER(Error)]),
    "dsf_model_input": (c_int32, [c_void_p, c_int32, POINTER(ValueInfo), POINTER(Error)]),
    "dsf_model_output": (c_int32, [c_void_p, c_int32, POINTER(ValueInfo), POINTER(Error)]),
    "dsf_model_image": (c_int32, [c_void_p, c_int32, POINTER(ImageRecipe), POINTER(Error)]),
    "dsf_model_output_meaning": (c_char_p, [c_void_p, c_int32]),
    "dsf_model_label_count": (c_int32, [c_void_p, c_int32]),
    "dsf_model_label": (c_char_p, [c_void_p, c_int32, c_int32]),
    "dsf_model_metadata_count": (c_int32, [c_void_p]),
    "dsf_model_metadata": (c_int32, [c_void_p, c_int32, POINTER(c_char_p), POINTER(c_char_p), POINTER(Error)]),
    "dsf_model_metadata_find": (c_char_p, [c_void_p, c_char_p]),
    "dsf_model_decode_weight": (c_int32, [c_void_p, c_int32, c_void_p, c_size_t, POINTER(Error)]),
    "dsf_model_multiply_adds": (c_int32, [c_void_p, c_int64, POINTER(c_uint64), POINTER(Error)]),
    "dsf_model_prepare": (c_int32, [c_void_p, POINTER(SessionOptions), POINTER(Error)]),
    "dsf_session_create": (c_int32, [c_void_p, POINTER(SessionOptions), POINTER(c_void_p), POINTER(Error)]),
    "dsf_session_destroy": (None, [c_void_p]),
    "dsf_session_threads": (c_int32, [c_void_p]),
    "dsf_session_run": (c_int32, [c_void_p, POINTER(Tensor), c_int32, POINTER(Tensor), c_int32, POINTER(Error)]),
    "dsf_session_cancel": (None, [c_void_p]),
    "dsf_session_value": (c_int32, [c_void_p, c_int32, POINTER(Tensor), POINTER(Error)]),
    "dsf_session_arena_bytes": (c_uint64, [c_void_p]),
    "dsf_session_step_count": (c_int32, [c_void_p]),
    "dsf_session_profile": (c_int32, [c_void_p, c_int32, POINTER(StepProfile), POINTER(Error)]),
}

loaded: ctypes.CDLL | None = None
loading = threading.Lock()


def library() -> ctypes.CDLL:
    """libdsf with every function's types declared. A machine without it gets a BackendError."""
    global loaded
    with loading:
        if loaded is None:
            loaded = bind(find())
        return loaded


def find() -> str:
    named = os.environ.get("DSF_LIBRARY")
    if named:
        if os.path.isfile(named):
            return named
        raise BackendError(
            "libdsf", f"no file {named!r}, which DSF_LIBRARY names", "a built libdsf.so", "correct or unset DSF_LIBRARY"
        )
    places = [os.path.join(folder, "libdsf.so") for folder in sys.modules[__package__].__path__]
    for place in places:
        if os.path.isfile(place):
            return place
    raise BackendError(
        "libdsf",
        f"not installed: looked for {' and '.join(places)}",
        "the library that checks and runs .dsf files",
        "install the package with its native part (pip install ./runtime in the checkout, with a C++ compiler and "
        "libflatbuffers-dev), or name a built library in DSF_LIBRARY",
    )


def bind(path: str) -> ctypes.CDLL:
    try:
        dsf = ctypes.CDLL(path)
        dsf.dsf_abi_version.restype = c_uint32
        version = dsf.dsf_abi_version()
    except (OSError, AttributeError) as error:
        raise BackendError(
            "libdsf",
            f"{path} cannot be loaded: {error}",
            "a libdsf built for this machine",
            "install the package again on this machine",
        ) from None
    if version != ABI_VERSION:
        raise BackendError(
            "libdsf",
            f"{path} has interface version {version}",
            f"version {ABI_VERSION}",
            "install the library and the Python package of one release",
        )
    for name, (result, arguments) in FUNCTIONS.items():
        try:
            function = getattr(dsf, name)
        except AttributeError:
            raise BackendError(
                "libdsf",
                f"{path} has no function {name}",
                "all of dsf.h",
                "install the library and the Python package of one release",
            ) from None
        function.restype, function.argtypes = result, arguments
    return dsf


def call(name: str, *arguments: Any) -> None:
    """Calls a function that returns a dsf_status and takes a dsf_error last; raises what it reports."""
    error = Error()
    status = getattr(library(), name)(*arguments, ctypes.byref(error))
    if status != OK:
        parts = (decoded(part) for part in (error.where, error.found, error.expected, error.what_to_do))
        raise ERRORS[status](*parts, message=decoded(error.message))


def code_of(name: str, value: object, codes: dict[str, int]) -> int:
    """The number that dsf.h gives to an option's value."""
    if value not in codes:
        raise ModelError("session", f"{name}={value!r}", " or ".join(map(repr, codes)))
    return codes[value]


def instruction_sets() -> list[dict[str, Any]]:
    """The table that kernels are chosen from, best first; DSF_ISA=<name> in the environment asks for another row."""
    rows = []
    for i in range(library().dsf_isa_count()):
        row = IsaInfo()
        call("dsf_isa_row", i, ctypes.byref(row))
        rows.append(
            {
                "name": decoded(row.name),
                "needs": decoded(row.needs),
                "available": bool(row.available),
                "chosen": bool(row.chosen),
                "bf16": bool(row.bf16),
            }
        )
    return rows


def decoded(text: bytes | None) -> str:
    return (text or b"").decode("utf-8", "replace")


class Handle:
    """A model or a session of libdsf, destroyed with the last reference or by close()."""

    def __init__(self, pointer: c_void_p, destroy: str) -> None:
        self.pointer = pointer
        self.close = weakref.finalize(self, getattr(library(), destroy), pointer)
