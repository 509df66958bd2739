"""rounding_rule: derives the table of dscompress/nn/nearest_power.py and proves it for every float32 in Q's range.

    python tools/rounding_rule.py          about a minute; exit code 1 if anything differs

The rule is round(ln|w| / ln 2), half to even, with the logarithm and the quotient each correctly rounded to float32.
Its logarithm is taken in float64 and rounded; where that is too near to the middle between two float32 for float64 to
tell, mpmath decides with 200 bits. For every float32 from 2^-16 to 1 this compares the rule with nearest_power() and
the form that exported graphs use, and counts where this machine's own float32 logarithm (torch.log) decides otherwise.
"""

import sys

import mpmath
import numpy as np
import torch

from dscompress.nn.nearest_power import FIRST_UP, MANTISSA, nearest_power, nearest_power_by_comparing

LOWEST = -16
LN2 = np.float32(np.log(2.0))
CHUNK = 1 << 21


def main() -> int:
    wrong = own = close_calls = 0
    first_up = {}
    for exponent in range(LOWEST, 0):
        ups = []
        for start in range(0, MANTISSA, CHUNK):
            weight = floats(exponent, start)
            logarithm, close = rounded_logarithm(weight)
            expected = np.rint(logarithm / LN2)
            ups.append(expected == exponent + 1)
            wrong += int((~ups[-1] & (expected != exponent)).sum())
            tensor = torch.from_numpy(weight)
            power = np.ldexp(np.float32(1), expected.astype(np.int32))
            wrong += int((nearest_power(tensor).numpy() != power).sum())
            wrong += int((nearest_power_by_comparing(tensor, LOWEST).numpy() != power).sum())
            wrong += int((nearest_power(-tensor).numpy() != -power).sum())
            machine = torch.round(torch.log(tensor) / float(LN2)).numpy()
            own, close_calls = own + int((machine != expected).sum()), close_calls + close
        up = np.concatenate(ups)
        first_up[exponent] = int(up.argmax())
        wrong += int((~up[first_up[exponent] :]).sum())
    print(f"table      {first_up}")
    print(f"proved     {-LOWEST * MANTISSA:,} values, {wrong} differ; {close_calls} logarithms were decided by mpmath")
    print(f"torch.log  on this machine decides {own} of them otherwise")
    wrong += first_up != FIRST_UP
    return 1 if wrong else 0


def floats(exponent: int, start: int) -> np.ndarray:
    """2^exponent * (1 + m / 2^23) for CHUNK values of m from `start` on."""
    first = np.float32(2.0**exponent).view(np.int32) + start
    return np.arange(first, first + CHUNK, dtype=np.int32).view(np.float32)


def rounded_logarithm(weight: np.ndarray) -> tuple[np.ndarray, int]:
    """ln(weight) correctly rounded to float32, and how many needed more than float64."""
    wide = np.log(weight.astype(np.float64))
    narrow = wide.astype(np.float32)
    error = np.abs(wide) * 2.0**-50  # far above float64's own error in log
    unsure = np.flatnonzero((wide - error).astype(np.float32) != (wide + error).astype(np.float32))
    for index in unsure:
        with mpmath.workprec(200):
            narrow[index] = float32_of(mpmath.log(mpmath.mpf(float(weight[index]))))
    return narrow, len(unsure)


def float32_of(value: mpmath.mpf) -> np.float32:
    """Rounded to 24 bits at once: a detour over float64 could round twice."""
    with mpmath.workprec(24):
        return np.float32(float(+value))


if __name__ == "__main__":
    sys.exit(main())
