"""The arrays that commands read and write: dscompress.npy reads them."""

from __future__ import annotations

import os


def is_array(path) -> bool:
    """Told by content; .npz archives too, so that load_array can say what to do with them."""
    from dscompress.npy import MAGIC, ZIP, first_bytes

    head = first_bytes(path, "a PNG, JPEG or BMP image, or a .npy array")
    return head == MAGIC or (head.startswith(ZIP) and str(path).endswith(".npz"))


def load_array(path):
    from dscompress.npy import ZIP, first_bytes, load_npy
    from dsruntime.errors import ModelError

    if first_bytes(path).startswith(ZIP):
        raise ModelError(os.fsdecode(path), "an .npz archive", "one array in a .npy file",
                         "save its arrays one by one with numpy.save")
    return load_npy(path)


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
