"""drivers: which driver answers for a device, made when it is first asked for."""

from __future__ import annotations

from dsruntime.backends.cuda.driver import Driver, wants_emulation


def open_driver(number: int = 0) -> Driver:
    """The process's driver of one device."""
    if wants_emulation():
        from dsruntime.backends.cuda import emulated_driver

        return emulated_driver.shared()
    from dsruntime.backends.cuda import pycuda_driver

    return pycuda_driver.shared(number)
