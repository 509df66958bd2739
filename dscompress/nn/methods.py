"""METHODS: the ways to hold a power-of-two weight while it is trained.

To add one, write a file like q.py and add a line here. It holds:

    BITS                                the bits that a code may have, a range
    OFFSET                              "none", or the offset that its layers have unless told otherwise
    STOCHASTIC                          whether rounding="stochastic" means something
    SIGNS                               names of those parameters that hold nothing but signs
    LINEAR_INPUT_IS_FLOAT               whether a linear layer leaves its input as it is when `activation` is set
    FLOORS_BIAS                         whether conversion brings a float layer's bias to the format of `activation`
    parameter_names(bits)               names of the layer's parameters, as they stand in a state_dict
    shift_range(bits)                   the smallest and the largest exponent of a code
    start_from_scratch(layer)           fills the layer's parameters, as published
    start_from_weight(weight, setting, unit)
                                        the parameters that stand for a trained float weight, by name
    clamp_in_place(parameters, setting, unit)
                                        what training does to the parameters before each forward
    effective_weight(parameters, setting, unit, training)
                                        the weight that the layer computes with, exact, with its gradient

`parameters` are tensors by name, `setting` is the layer's Setting, `unit` what multiplies the codes (unit.py): None, or
a tensor that broadcasts against the weight. The effective weight is unit * code, and a code is 0 or ±2^k.
"""

from types import ModuleType

from dscompress.nn import dense, ps, q, s3

METHODS: dict[str, ModuleType] = {"q": q, "ps": ps, "s3": s3, "dense": dense}


def method_named(name: str) -> ModuleType:
    if name not in METHODS:
        *most, last = [repr(known) for known in METHODS]
        raise ValueError(f"no method {name!r}: the methods are {', '.join(most)} and {last}")
    return METHODS[name]
