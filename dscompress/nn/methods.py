"""METHODS: the ways to hold a power-of-two weight while it is trained.

To add one, write a file like q.py and add a line here. It holds:

    PARAMETERS                          names of the layer's parameters, as they stand in a state_dict
    lowest_shift(bits)                  the smallest exponent; the largest is 0
    start_from_scratch(layer, bits)     fills the layer's parameters
    start_from_weight(weight, bits)     the parameters that stand for a trained float weight, by name
    clamp_in_place(layer, bits)         what training does to the parameters before each forward
    effective_weight(layer, bits)       the weight that the layer computes with, exact, with its gradient
"""

from types import ModuleType

from dscompress.nn import ps, q

METHODS: dict[str, ModuleType] = {
    "q": q,
    "ps": ps,
}

BITS = range(2, 6)


def method_named(name: str) -> ModuleType:
    if name not in METHODS:
        known = " and ".join(repr(known) for known in METHODS)
        raise ValueError(f"no method {name!r}: the methods are {known}")
    return METHODS[name]


def check_bits(bits: int) -> int:
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in BITS:
        raise ValueError(f"bits={bits!r}: a shift weight has {BITS[0]}..{BITS[-1]} bits")
    return bits
