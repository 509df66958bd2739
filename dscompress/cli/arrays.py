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
        raise ModelError(
            os.fsdecode(path),
            "an .npz archive",
            "one array in a .npy file",
            "save its arrays one by one with numpy.save",
        )
    return load_npy(path)


def save_arrays(path, arrays: dict) -> None:
    """One array to .npy, several to .npz; whole or not at all."""
    import io
    from pathlib import Path

    import numpy as np

    from dscompress.atomic_file import write_atomically
    from dsruntime.errors import ModelError

    where = os.fsdecode(path)
    if len(arrays) > 1 and not where.endswith(".npz"):
        raise ModelError(
            where, f"{len(arrays)} outputs ({', '.join(arrays)})", "one array for a .npy file", "give --output FILE.npz"
        )
    buffer = io.BytesIO()
    if where.endswith(".npz"):
        np.savez(buffer, **arrays)
    else:
        np.save(buffer, next(iter(arrays.values())), allow_pickle=False)
    write_atomically(where, buffer.getvalue(), Path.read_bytes)
