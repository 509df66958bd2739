"""Files as the original DeepShift and its kin write them: layers, optimiser and scheduler whose classes live in modules
that exist only while a file is written, so that nothing could import them afterwards.
"""

import contextlib
import copy
import io
import sys
import types
import warnings
from collections import Counter, OrderedDict, defaultdict
from pathlib import Path

import numpy as np
import torch
from torch import nn

LOWEST = {"q": {2: -1, 3: -3, 4: -7, 5: -15}, "ps": {2: 0, 3: -2, 4: -6, 5: -14}}


def foreign(module: str, name: str, *bases: type) -> type:
    """A class that pickles as module.name."""
    return type(name, bases or (object,), {"__module__": module})


class Foreign:
    """The classes of the original's modules, importable inside of `with`."""

    def __init__(self) -> None:
        self.conv_ps = foreign("deepshift.modules", "Conv2dShift", nn.Module)
        self.linear_ps = foreign("deepshift.modules", "LinearShift", nn.Module)
        self.conv_q = foreign("deepshift.modules_q", "Conv2dShiftQ", nn.Module)
        self.linear_q = foreign("deepshift.modules_q", "LinearShiftQ", nn.Module)
        self.radam = foreign("optim.radam", "RAdam")
        self.resnet = foreign("cifar10_models.resnet", "ResNet", nn.Module)
        self.mobilenet = foreign("customized_models", "MobileNetV1", nn.Module)
        self.conv_mnist = foreign("__main__", "ConvMNIST", nn.Module)

    @contextlib.contextmanager
    def importable(self):
        before = dict(sys.modules)
        for made in vars(self).values():
            parts = made.__module__.split(".")
            for depth in range(1, len(parts) + 1):
                name = ".".join(parts[:depth])
                sys.modules.setdefault(name, types.ModuleType(name))
            setattr(sys.modules[made.__module__], made.__name__, made)
        try:
            yield
        finally:
            delattr(sys.modules["__main__"], "ConvMNIST")
            for name in set(sys.modules) - set(before):
                del sys.modules[name]


FOREIGN = Foreign()


def latent_ps(weight: torch.Tensor, bits: int, generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """Shift and sign as training leaves them: shifts in range but for a step, signs on both sides of ±0.5."""
    lowest = LOWEST["ps"][bits]
    noise = 0.3 * torch.randn(weight.shape, generator=generator)
    shift = (torch.log2(weight.abs().clamp(min=1e-9)) + noise).clamp(lowest - 0.01, 0.01)
    return shift, torch.sign(weight) * torch.rand(weight.shape, generator=generator) * 1.5


def latent_q(weight: torch.Tensor, bits: int) -> torch.Tensor:
    """In range: the in-place clamp has seen to it."""
    magnitude = weight.abs().clamp(2.0 ** LOWEST["q"][bits], 1.0)
    return torch.where(weight == 0, weight, torch.copysign(magnitude, weight))


def trained(network: nn.Module, seed: int = 0) -> nn.Module:
    """Weights of a trained network's spread, statistics that are not 0 and 1."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for name, tensor in network.state_dict().items():
            if tensor.is_floating_point():
                noise = torch.randn(tensor.shape, generator=generator)
                positive = name.endswith("running_var") or ("bn" in name and name.endswith("weight"))
                tensor.copy_(0.5 + 0.3 * noise.abs() if positive else noise * (0.1 if tensor.dim() > 1 else 0.2))
    return network.eval()


def converted(network: nn.Module, method: str, bits: int, depth: int = 1000, seed: int = 1) -> OrderedDict:
    """The state_dict that the original would have of this network: latent values, its keys, its order."""
    generator = torch.Generator().manual_seed(seed)
    layers = {name: child for name, child in network.named_modules() if type(child) in (nn.Conv2d, nn.Linear)}
    convolutions = [name for name, child in layers.items() if isinstance(child, nn.Conv2d)]
    chosen = {name for name, child in layers.items() if isinstance(child, nn.Linear)}
    chosen |= set(convolutions[max(0, len(convolutions) - depth) :])
    state = OrderedDict()
    for key, tensor in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        tensor = tensor.clone()
        if layer not in chosen or kind != "weight":
            state[key] = tensor
        elif method == "q":
            state[key] = latent_q(tensor, bits)
        else:
            state[f"{layer}.shift"], state[f"{layer}.sign"] = latent_ps(tensor, bits, generator)
    state._metadata = OrderedDict({"": {"version": 1}})
    return state


def decisions(network: nn.Module, seed: int = 2) -> OrderedDict:
    """S3's state_dict of this network: every conv and linear weight is a sign, a zero and two shift decisions."""
    generator = torch.Generator().manual_seed(seed)
    layers = {name for name, child in network.named_modules() if type(child) in (nn.Conv2d, nn.Linear)}
    state = OrderedDict()
    for key, tensor in network.state_dict().items():
        layer, _, kind = key.rpartition(".")
        names = ("weight", "weight_val", "weight_shift", "weight_shift2") if layer in layers else ()
        if kind == "weight" and names:
            state.update((f"{layer}.{name}", torch.randn(tensor.shape, generator=generator)) for name in names)
        else:
            state[key] = tensor.clone()
    return state


def with_prefix(state: dict, prefix: str) -> OrderedDict:
    """ "module." before all keys, or "features.module." for those of features, as DataParallel around a part has it."""
    if prefix == "features.module.":
        return OrderedDict((key.replace("features.", prefix, 1) if key.startswith("features.") else key, value)
                           for key, value in state.items())  # fmt: skip
    return OrderedDict((prefix + key, value) for key, value in state.items())


def optimizer_of(state: dict) -> object:
    """RAdam with its state, as an object: pickled by class and __dict__."""
    made = FOREIGN.radam()
    parameters = [value for value in state.values() if value.is_floating_point()]
    made.defaults = {"lr": 0.01, "betas": (0.9, 0.999), "eps": 1e-8}
    made.state = defaultdict(dict, {parameter: {"step": 3, "exp_avg": parameter * 0} for parameter in parameters[:4]})
    made.param_groups = [{"params": parameters[:4], "lr": 0.01}]
    made.buffer = [[None, None, None] for _ in range(10)]
    return made


def scheduler_of(optimizer: object) -> object:
    made = torch.optim.lr_scheduler.MultiStepLR.__new__(torch.optim.lr_scheduler.MultiStepLR)
    made.__dict__.update(optimizer=optimizer, milestones=Counter({80: 1, 120: 1}), gamma=0.1, last_epoch=3)
    return made


def checkpoint(state: dict, arch: str, imagenet: bool = False) -> dict:
    """What cifar10.py saves; imagenet.py's best accuracy is an array, and its scheduler None."""
    optimizer = optimizer_of(state)
    return {
        "epoch": 200,
        "arch": arch,
        "state_dict": state,
        "best_acc1": np.array([69.27], np.float32) if imagenet else np.float64(93.2),
        "optimizer": {"state": {}, "param_groups": [{"lr": 0.01, "params": [140291, 140292]}]},
        "lr_scheduler": None if imagenet else scheduler_of(optimizer),
    }


def rounded(state: dict, method: str, bits: int) -> OrderedDict:
    """What round_shift_weights makes of it, by the formulas, in float64 and NumPy: the oracle of the rounding."""
    new = OrderedDict()
    for key, tensor in state.items():
        layer, _, kind = key.rpartition(".")
        value = tensor.double().numpy()
        is_layer = f"{layer}.shift" in state or (method == "q" and state.get(f"{layer}.weight", tensor).dim() > 1)
        if kind == "shift":
            value = np.rint(np.clip(value, LOWEST[method][bits], 0))
        elif kind == "sign":
            value = np.where(np.abs(value) <= 0.5, 0.0, np.sign(value))
        elif kind == "weight" and is_layer:
            with np.errstate(divide="ignore"):
                exponent = np.rint(np.log2(np.clip(np.abs(value), 2.0 ** LOWEST[method][bits], 1)))
            value = np.sign(value) * 2.0**exponent
        elif kind == "bias" and is_layer:
            value = np.floor(value * 65536) / 65536
        new[key] = torch.from_numpy(np.asarray(value)).to(tensor.dtype)
    return new


def write_arguments(folder: Path, method: str, bits: int, **more: object) -> None:
    """command_args.txt, as the original's scripts leave it beside what they save."""
    said = {"shift_depth": 1000, "shift_type": method.upper(), "rounding": "deterministic", "weight_bits": bits,
            "activation_bits": [16, 16], "use_kernel": False, **more}  # fmt: skip
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "command_args.txt").write_text("".join(f"{name}: {value}\n" for name, value in said.items()))


def whole_module(root: nn.Module, network: nn.Module, method: str, bits: int, parallel: bool = False) -> nn.Module:
    """model.pth: `root` takes the network's children, the original's layers for conv and linear ones, rounded."""
    state = rounded(converted(network, method, bits), method, bits)
    for name, child in network.named_children():
        root.add_module(name, foreign_layers(child, name, state, method, bits))
    wrapped = nn.DataParallel.__new__(nn.DataParallel) if parallel else root
    if parallel:
        nn.Module.__init__(wrapped)
        wrapped.add_module("module", root)
    return wrapped


def foreign_layers(module: nn.Module, path: str, state: dict, method: str, bits: int) -> nn.Module:
    if type(module) in (nn.Conv2d, nn.Linear):
        kind = ("conv" if isinstance(module, nn.Conv2d) else "linear") + f"_{method}"
        made = getattr(FOREIGN, kind)()
        made.shift_range = (LOWEST[method][bits], 0)
        made.act_integer_bits, made.act_fraction_bits = 16, 16
        for name in ("shift", "sign", "weight", "bias"):
            if f"{path}.{name}" in state:
                made.register_parameter(name, nn.Parameter(state[f"{path}.{name}"]))
        return made
    for name, child in list(module.named_children()):
        setattr(module, name, foreign_layers(child, f"{path}.{name}", state, method, bits))
    return module


def copied(network: nn.Module) -> nn.Module:
    return copy.deepcopy(network)


def save(path: Path, value: object, legacy: bool = True) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(saved(value, legacy))
    return path


def saved(value: object, legacy: bool = True) -> bytes:
    buffer = io.BytesIO()
    with FOREIGN.importable(), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # the old form looks for the source text of the classes
        torch.save(value, buffer, _use_new_zipfile_serialization=not legacy)
    return buffer.getvalue()
