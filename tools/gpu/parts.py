"""A part of the check, and the time there is for all of them."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass


class Budget:
    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        return self.end - time.monotonic()


@dataclass(frozen=True)
class Part:
    """run(driver, budget) → what was found, JSON data; its "correct" is False where something was wrong.

    seconds: about what it takes; it is not begun with less.
    """

    name: str
    run: Callable[..., dict]
    seconds: float
