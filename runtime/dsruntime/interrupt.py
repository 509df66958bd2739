"""interrupt: long calls into C that Ctrl-C can end.

Python runs its signal handlers in the main thread, between two of its own instructions, and never while a C function
runs there. So a long one runs in a thread of its own while the main thread waits; what a handler raises there,
KeyboardInterrupt or anything else, is raised once the call has been cancelled and is over.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Any

REPEAT = 0.02  # seconds between two attempts to cancel: the call may not have begun at the first


def interruptible(call: Callable[[], Any], cancel: Callable[[], None]) -> Any:
    """What call() returns or raises. cancel() makes it end early, and may be called again and again."""
    if threading.current_thread() is not threading.main_thread():
        return call()
    over, outcome = threading.Event(), Outcome()
    try:
        threading.Thread(target=outcome.take, args=(call, over), daemon=True).start()
    except RuntimeError:  # the system has none left: then it is not interruptible
        return call()
    raised: BaseException | None = None
    while not over.is_set():
        try:
            if raised is not None:
                cancel()
            over.wait(None if raised is None else REPEAT)
        except BaseException as error:
            raised = raised or error
    if raised is not None:
        raise raised
    return outcome.give()


class Outcome:
    """What a call in another thread came to."""

    def __init__(self) -> None:
        self.result: Any = None
        self.error: BaseException | None = None

    def take(self, call: Callable[[], Any], over: threading.Event) -> None:
        try:
            self.result = call()
        except BaseException as error:
            self.error = error
        finally:
            over.set()

    def give(self) -> Any:
        if self.error is not None:
            raise self.error
        return self.result
