"""Signals of processes that tests start."""

import signal


def heed_interrupts() -> None:
    """As preexec_fn: a process started from a background job ignores SIGINT, and would never see the test's."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)
