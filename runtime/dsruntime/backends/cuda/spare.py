"""Memory of results that stay on the GPU: it serves again when they are gone."""

from __future__ import annotations

import contextlib

from dsruntime.backends.cuda.driver import Driver, active
from dsruntime.errors import DsError


class Spare:
    """Memory of results that are gone: for other results, or freed at once when the session is closed."""

    def __init__(self, driver: Driver) -> None:
        self.driver, self.closed = driver, False
        self.free: list[tuple[int, int]] = []  # (bytes, address)

    def take(self, bytes: int) -> int:
        """An address, or 0."""
        for entry in self.free:
            if entry[0] == bytes:
                self.free.remove(entry)
                return entry[1]
        return 0

    def give(self, bytes: int, address: int) -> None:
        """Of a result's finalizer, in whatever thread that runs."""
        self.free.append((bytes, address))
        if self.closed:
            with contextlib.suppress(DsError), active(self.driver):
                self.close()

    def close(self) -> None:
        self.closed = True
        while self.free:
            self.driver.free(self.free.pop()[1])
