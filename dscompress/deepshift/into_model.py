"""into_model: networks from what was imported: a float one with the exact weights, or shift layers to train on."""

from __future__ import annotations

from typing import Any

from torch import nn

from dscompress.deepshift import architectures
from dscompress.deepshift.architectures import COUNTER, mismatch, shapes_of, take_transform, without_heads
from dscompress.deepshift.imported import Imported
from dscompress.errors import CompileError

HOW = "give the network that was trained: into_model(found, model)"


def build(found: Imported) -> nn.Module:
    """The network that the keys belong to, with plain layers that hold ±2^k and 0, in eval mode."""
    return architectures.build(found, known(found))


def into_model(found: Imported, model: nn.Module | None = None) -> nn.Module:
    """The same network with shift layers, and in them what training left in the file, not rounded: training goes on.

    model: the float network, changed in place; without it, the one that the keys belong to. Bits, method, sign
    threshold and, where known, the format of the activations are the imported ones. CompileError: the keys do not fit.
    """
    from dscompress.nn import restore

    name = ""
    if model is None:
        network = known(found)
        model, name = network.network.to_empty(device="cpu"), network.name
        take_transform(model, found, network)
    refuse_mismatch(found, shapes_of(model.state_dict()), name)
    try:
        model = restore(model, without_heads(description(found), name))
    except ValueError as error:
        raise CompileError(str(found.path), str(error), what_to_do="give the float network that was trained") from None
    for key, value in model.state_dict().items():
        if key.endswith(COUNTER) and key not in found.latent:
            value.zero_()
    model.load_state_dict(found.latent, strict=False)
    return model.train()


def as_evaluated(found: Imported, model: nn.Module | None = None) -> nn.Module:
    """Shift layers that round their inputs; biases rounded as the original does before it evaluates; in eval mode."""
    model = into_model(found, model)
    biases = {key: value for key, value in found.state.items() if key.endswith(".bias")}
    model.load_state_dict(biases, strict=False)
    return model.eval()


def known(found: Imported) -> architectures.Network:
    network = architectures.recognise(found)
    if network is None:
        raise architectures.refusal(found, HOW)
    return network


def refuse_mismatch(found: Imported, own: dict[str, tuple[int, ...]], name: str) -> None:
    wrong = mismatch(own, without_heads(shapes_of(found.state), name))
    if wrong:
        raise CompileError(str(found.path), f"its keys do not fit the given network: {wrong}", what_to_do=HOW)


def description(found: Imported) -> dict[str, dict[str, Any]]:
    """What dscompress.nn.restore takes: each shift layer's setting."""
    report = found.report
    shared: dict[str, Any] = {"method": report.method}
    if report.sign_threshold is not None:
        shared["sign_threshold"] = report.sign_threshold
    if report.activation_bits is not None:
        shared["activation"] = list(report.activation_bits)
    return {layer: {**shared, **unit(found, layer), "bits": bits} for layer, bits in found.decision.layers.items()}


def unit(found: Imported, layer: str) -> dict[str, Any]:
    """What multiplies a layer's codes: nothing, but in files of dscompress.nn."""
    base = found.latent.get(f"{layer}.base")
    if base is not None:
        return {"offset": "tensor" if base.numel() == 1 else "channel"}
    return {"scale": "fixed"} if f"{layer}.scale" in found.latent else {"offset": "none"}
