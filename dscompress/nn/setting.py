"""Setting: everything that one shift layer is told, in plain values; what describe() lists and checkpoints carry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

from dscompress.nn.methods import method_named

ROUNDINGS = ("nearest", "stochastic")
OFFSETS = ("none", "tensor", "channel")
SCALES = ("none", "fixed", "trained")


@dataclass(frozen=True)
class Setting:
    """Raises ValueError for what no layer can be.

    method          "q", "ps", "s3" or "dense": the code book and what is trained behind it, see methods.py
    bits            bits of a weight's code; 2..5, fewer for some methods
    sign_threshold  ps: a weight is 0 where |S| <= sign_threshold
    rounding        "nearest", or "stochastic": exponents are rounded at random, up with the probability of what is
                    above the lower one, while training; evaluation rounds to nearest (q, ps)
    activation      (integer bits, fraction bits) of the layer's input, the sign among the integer bits; None: float
    offset          weights beyond ±1: codes times 2^base, base a whole number for the "tensor" or each "channel",
                    or "none"; the default, None, is the method's own
    scale           codes times a float for each output channel: "fixed", "trained" or "none"
    freeze_sign     signs are not trained (ps, s3, dense)
    """

    method: str = "ps"
    bits: int = 5
    sign_threshold: float = 0.5
    rounding: str = "nearest"
    activation: tuple[int, int] | None = None
    offset: str | None = None
    scale: str = "none"
    freeze_sign: bool = False

    def __post_init__(self) -> None:
        method = method_named(self.method)
        check_bits(self.bits, method.BITS, self.method)
        check_choice("rounding", self.rounding, ROUNDINGS)
        check_choice("scale", self.scale, SCALES)
        if self.offset is None:
            object.__setattr__(self, "offset", method.OFFSET if self.scale == "none" else "none")
        check_choice("offset", self.offset, OFFSETS)
        if self.offset != "none" and self.scale != "none":
            raise ValueError(f"offset={self.offset!r} and scale={self.scale!r}: a scale holds any offset, give one")
        if self.rounding == "stochastic" and not method.STOCHASTIC:
            raise ValueError(f"rounding='stochastic': method {self.method!r} rounds no exponents, use 'nearest'")
        if self.freeze_sign and not method.SIGNS:
            raise ValueError(f"freeze_sign=True: method {self.method!r} has no signs of their own to freeze")
        if not isinstance(self.sign_threshold, int | float) or not 0 <= self.sign_threshold < float("inf"):
            raise ValueError(f"sign_threshold={self.sign_threshold!r}: it is a number from 0 up, 0.5 as published")
        if self.activation is not None:
            object.__setattr__(self, "activation", check_format(self.activation))

    @property
    def has_unit(self) -> bool:
        """Whether something multiplies the codes: an offset or a scale."""
        return self.offset != "none" or self.scale != "none"

    def plain(self) -> dict[str, Any]:
        """As str, int, float, bool, list and None: for JSON and for files that weights_only reads."""
        values = asdict(self)
        values["activation"] = None if self.activation is None else list(self.activation)
        return values

    @classmethod
    def from_plain(cls, values: Mapping[str, Any]) -> Setting:
        known = [field.name for field in fields(cls)]
        unknown = sorted(set(values) - set(known))
        if unknown:
            raise ValueError(f"a layer's setting has {', '.join(map(repr, unknown))}; it takes {', '.join(known)}")
        activation = values.get("activation")
        return cls(**{**values, "activation": None if activation is None else tuple(activation)})


FIELDS = tuple(field.name for field in fields(Setting))


def check_bits(bits: int, allowed: range, method: str) -> None:
    if isinstance(bits, bool) or not isinstance(bits, int) or bits not in allowed:
        raise ValueError(f"bits={bits!r}: a {method!r} weight has {allowed[0]}..{allowed[-1]} bits")


def check_choice(name: str, value: Any, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name}={value!r}: it is one of {', '.join(map(repr, choices))}")


def check_format(value: Any) -> tuple[int, int]:
    """(integer bits, fraction bits). One integer bit is the sign alone, and the published clamp then makes no sense."""
    if not isinstance(value, tuple | list) or len(value) != 2 or not all(type(part) is int for part in value):
        raise ValueError(f"activation={value!r}: it is (integer bits, fraction bits), for example (3, 5)")
    integer, fraction = value
    if integer < 2 or fraction < 0 or integer + fraction > 32:
        raise ValueError(
            f"activation={value!r}: at least 2 integer bits (the sign is one), at least 0 fraction bits, 32 together"
        )
    return integer, fraction
