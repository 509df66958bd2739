"""own_keys: layers that no float layer can be taken for, by the names of their tensors.

    PS            shift P, sign S                                          W = s * 2^round(P), see rounding.py
    S3            weight a, weight_val v, weight_shift c, weight_shift2 d  W = sgn(a) * [v > 0] * 2^(c' * (d' + 1))
    DenseShift    weight a, weight_t1, weight_t2, weight_t3                W = sgn(a) * 2^(((t1' + 1) * t2' + 1) * t3')

x' is [x > 0]. S3 and DenseShift register a twice, as `weight` and as `weight_sign`; layers of dscompress.nn register
it as `weight_sign` alone, and may have a `base`, which multiplies the weight by 2^base, or a `scale`. The number of
shift decisions says how many bits. dscompress/nn/s3.py and dense.py compute them, and say what other bits have.
"""

from __future__ import annotations

from collections.abc import Iterator

import torch

from dscompress.nn.methods import METHODS
from dscompress.nn.setting import Setting
from dscompress.nn.unit import column
from dscompress.torchfile.inert import Unreadable

MARKS = {"shift": "ps", "sign": "ps", "weight_val": "s3", "weight_t1": "dense"}
UNITS = ("base", "scale")
NAMES = {"q": "DeepShift-Q", "ps": "DeepShift-PS", "s3": "S3", "dense": "DenseShift"}


def own_layers(tensors: dict[str, torch.Tensor]) -> tuple[str | None, dict[str, int | None]]:
    """The method and its layers, path → bits, None where the keys do not say; (None, {}) where there are none."""
    kinds = kinds_by_path(tensors)
    marked = {path: method for path, found in kinds.items() for mark, method in MARKS.items() if mark in found}
    affine = [path for path, found in kinds.items() if "shift" in found and "scale" in found and "sign" not in found]
    marked = {path: method for path, method in marked.items() if path not in affine}
    methods = sorted(set(marked.values()))
    if len(methods) > 1:
        raise Unreadable(f"holds layers of {' and of '.join(NAMES[method] for method in methods)}", damage=False)
    if not methods:
        return None, {}
    for path in marked:
        check_parts(path, kinds[path], methods[0], tensors)
    return methods[0], {path: bits_by_keys(path, kinds[path], methods[0]) for path in marked}


def kinds_by_path(tensors: dict[str, torch.Tensor]) -> dict[str, set[str]]:
    """Layer's path → the last parts of its keys. A tensor without a path belongs to no layer."""
    kinds: dict[str, set[str]] = {}
    for key in tensors:
        path, _, kind = key.rpartition(".")
        kinds.setdefault(path, set()).add(kind)
    return kinds


def check_parts(path: str, kinds: set[str], method: str, tensors: dict[str, torch.Tensor]) -> None:
    """What stands for one weight has one shape, is of floats, and has nothing of an unknown meaning beside it."""
    if method == "ps" and (not path or not {"shift", "sign"} <= kinds):
        raise Unreadable(f"has a layer '{path}' whose shift and sign do not make a pair", damage=False)
    if not path:
        raise Unreadable(f"has {NAMES[method]}'s tensors outside of any layer", damage=False)
    parts = [tensors[f"{path}.{kind}"] for kind in sorted(kinds - {"bias", *UNITS})]
    if method == "ps" and (others := sorted(kinds - {"shift", "sign", "bias"})):
        raise Unreadable(f"has '{path}.{others[0]}' beside the shift and sign of layer '{path}'", damage=False)
    if any(part.shape != parts[0].shape for part in parts):
        what = "shift and sign do not make a pair" if method == "ps" else "tensors are of several shapes"
        raise Unreadable(f"has a layer '{path}' whose {what}", damage=False)
    for kind in kinds - set(UNITS):
        dtype = tensors[f"{path}.{kind}"].dtype
        if not dtype.is_floating_point:
            what = "shift or sign" if method == "ps" else kind
            raise Unreadable(f"has a layer '{path}' whose {what} is of type {dtype}", damage=False)


def bits_by_keys(path: str, kinds: set[str], method: str) -> int | None:
    if method == "ps":
        return None
    found = {"weight_sign" if kind == "weight" else kind for kind in kinds - {"bias", *UNITS}}
    for bits in METHODS[method].BITS:
        if found == set(METHODS[method].parameter_names(bits)):
            return bits
    names = ", ".join(sorted(found))
    raise Unreadable(f"has a layer '{path}' with {names}, which no {NAMES[method]} layer has together", damage=False)


def with_one_name(tensors: dict[str, torch.Tensor], layers: dict[str, int]) -> dict[str, torch.Tensor]:
    """The tensors of S3's and DenseShift's layers under the names of dscompress.nn: `weight` becomes `weight_sign`."""
    return dict(renamed(tensors, layers))


def renamed(tensors: dict[str, torch.Tensor], layers: dict[str, int]) -> Iterator[tuple[str, torch.Tensor]]:
    for key, tensor in tensors.items():
        path, _, kind = key.rpartition(".")
        if path not in layers or kind != "weight":
            yield key, tensor
            continue
        twin = tensors.get(f"{path}.weight_sign")
        if twin is None:
            yield f"{path}.weight_sign", tensor
        elif not torch.equal(twin, tensor):
            raise Unreadable(f"has a layer '{path}' whose weight and weight_sign differ", damage=False)


def composed(path: str, bits: int, method: str, tensors: dict[str, torch.Tensor]) -> torch.Tensor:
    """The weight of an S3 or DenseShift layer, as its forward computes it, in float32."""
    names = METHODS[method].parameter_names(bits)
    parameters = {name: tensors[f"{path}.{name}"].float() for name in names}
    unit, dimensions = None, parameters[names[0]].dim()
    if f"{path}.base" in tensors:
        unit = column(torch.exp2(tensors[f"{path}.base"].float()), dimensions)
    elif f"{path}.scale" in tensors:
        unit = column(tensors[f"{path}.scale"].float(), dimensions)
    try:
        return METHODS[method].effective_weight(parameters, Setting(method, bits, offset="none"), unit)
    except RuntimeError:
        raise Unreadable(f"has a layer '{path}' whose base or scale does not fit its weight", damage=False) from None
