"""Reading .npy files that may be anything: nothing is unpickled, nothing is read before its header is believed."""

from __future__ import annotations

import os

LARGEST = 1 << 30  # bytes of one array
MAGIC = b"\x93NUMPY"


def is_array(path) -> bool:
    """Told by content; .npz archives too, so that load_array can say what to do with them."""
    with open(path, "rb") as file:
        head = file.read(6)
    return head == MAGIC or (head[:4] == b"PK\x03\x04" and str(path).endswith(".npz"))


def load_array(path):
    import numpy as np

    from dsruntime.errors import ModelError

    where = os.fsdecode(path)
    with open(path, "rb") as file:
        head = file.read(6)
    if head[:4] == b"PK\x03\x04":
        raise ModelError(where, "an .npz archive", "one array in a .npy file",
                         "save its arrays one by one with numpy.save")
    if head != MAGIC:
        raise ModelError(where, "no .npy file", "an array saved with numpy.save")
    try:
        # Maps the file after reading the header: a file shorter than its header says is refused, nothing is allocated.
        mapped = np.load(path, mmap_mode="r", allow_pickle=False)
    except (ValueError, OSError, EOFError, SyntaxError, TypeError, OverflowError) as error:
        raise ModelError(where, f"a damaged .npy file ({short(error)})", "an array of numbers",
                         "save it again with numpy.save") from None
    if mapped.dtype.kind not in "fiub":
        raise ModelError(where, f"an array of {mapped.dtype}", "numbers")
    if mapped.nbytes > LARGEST:
        raise ModelError(where, f"an array of {mapped.nbytes} bytes", f"at most {LARGEST}",
                         "split it into smaller files")
    native = mapped.dtype.newbyteorder("=")
    return np.array(mapped, dtype=native, order="C")


def short(error: Exception) -> str:
    return " ".join(str(error).split())[:120]


def save_arrays(path, arrays: dict) -> None:
    """One array to .npy, several to .npz; whole or not at all."""
    import numpy as np

    from dsruntime.errors import ModelError

    where = os.fsdecode(path)
    if len(arrays) > 1 and not where.endswith(".npz"):
        raise ModelError(where, f"{len(arrays)} outputs ({', '.join(arrays)})", "one array for a .npy file",
                         "give --output FILE.npz")
    part = f"{where}.{os.getpid()}.part"
    try:
        with open(part, "xb") as file:
            if where.endswith(".npz"):
                np.savez(file, **arrays)
            else:
                np.save(file, next(iter(arrays.values())), allow_pickle=False)
        os.replace(part, where)
    except OSError as error:
        raise ModelError(where, f"cannot be written ({error.strerror})",
                         "a folder that exists and can be written to") from None
    finally:
        if os.path.exists(part):
            os.unlink(part)
