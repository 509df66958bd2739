"""A part of the check, and the time there is for all of them."""

from __future__ import annotations

import contextlib
import signal
import threading
import time
import traceback
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path


class Budget:
    def __init__(self, seconds: float) -> None:
        self.end = time.monotonic() + seconds

    def left(self) -> float:
        return self.end - time.monotonic()


@dataclass(frozen=True)
class Part:
    """run(driver, budget) → what was found, JSON data; its "correct" is False where something was wrong.

    seconds: about what it takes; it is not begun with less. most: it is stopped after that.
    """

    name: str
    run: Callable[..., dict]
    seconds: float
    most: float


@contextlib.contextmanager
def stopped_after(seconds: float) -> Iterator[None]:
    """TimeoutError when the time is over, between two steps of Python; in the main thread only, where signals come."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def stop(number, frame):
        raise TimeoutError(f"stopped after {seconds:.0f} s")

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, max(seconds, 0.001))
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)


def is_failure(error: BaseException) -> bool:
    """pytest's own "did not raise" is no Exception."""
    return not isinstance(error, KeyboardInterrupt | SystemExit | GeneratorExit)


def words(error: BaseException) -> str:
    """What went wrong, and where: an assertion alone says nothing."""
    frames = traceback.extract_tb(error.__traceback__)
    where = f" ({Path(frames[-1].filename).name}:{frames[-1].lineno})" if frames else ""
    return f"{type(error).__name__}: {' '.join(str(error).split())[:300]}{where}"
