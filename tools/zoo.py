"""zoo: torchvision's model definitions as shift networks with weights of a fixed seed, and photographs to run them on.

    python tools/zoo.py resnet18 resnet18.pt resnet18.onnx       writes one's state_dict and its float32 ONNX file

Nothing is downloaded. So that top-1 agreement means something on random weights:

    weights      torch's default initialisation; a layer that starts at zero gets one too
    conversion   every conv and linear weight becomes a 5-bit shift weight; attention, which reads its weights itself,
                 gets the same rounding by hand
    batch norm   random scale and shift; running statistics calibrated by a pass over the photographs
    last layer   its bias is moved so that every class has mean 0 over the photographs: logits then differ by image
"""

import importlib
import sys
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from dscompress.nn import METHODS, Setting, bake, convert
from dscompress.torchmodel.torchvision_models import with_torchvision

# Half of them by each method, families mixed.
METHOD_OF = {
    "alexnet": "q",
    "vgg16": "ps",
    "resnet18": "ps",
    "resnet50": "q",
    "googlenet": "ps",
    "densenet121": "q",
    "mobilenet_v2": "ps",
    "mobilenet_v3_small": "q",
    "squeezenet1_1": "q",
    "efficientnet_b0": "ps",
    "shufflenet_v2_x1_0": "q",
    "regnet_y_400mf": "ps",
    "convnext_tiny": "q",
    "vit_b_16": "ps",
}
ARGUMENTS = {"googlenet": {"aux_logits": False, "init_weights": False}}
BITS = 5
SIZE = 224
IMAGENET_MEAN, IMAGENET_STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def shift_model(name: str, method: str | None = None, seed: int = 2024) -> nn.Module:
    """A calibrated shift network in eval mode, its shift layers baked into plain ones: the keys are torchvision's."""
    torch.manual_seed(seed)
    with torch.random.fork_rng(devices=[]):
        calibration = torch.from_numpy(photographs(16, seed=seed))
    definitions = with_torchvision(lambda: importlib.import_module("torchvision.models"))
    model = getattr(definitions, name)(**ARGUMENTS.get(name, {}))
    method = method or METHOD_OF[name]
    wake_zeros(model)
    shift_attention(model, method)
    convert(model, method, BITS)
    model = bake(model).eval()
    calibrate_batch_norms(model, calibration)
    centre_logits(model, calibration)
    return model


def wake_zeros(model: nn.Module) -> None:
    """ViT starts its head at 0, ConvNeXt its layer scales near it: answers would hardly depend on the image."""
    for name, parameter in model.named_parameters():
        if name.endswith("layer_scale"):
            nn.init.uniform_(parameter, 0.1, 0.5)
        elif parameter.dim() >= 2 and not parameter.any():
            nn.init.normal_(parameter, std=parameter.shape[-1] ** -0.5)


def shift_attention(model: nn.Module, method: str) -> None:
    for module in model.modules():
        if isinstance(module, nn.MultiheadAttention):
            for parameter in (module.in_proj_weight, module.out_proj.weight):
                parameter.data = rounded(parameter.data, method)


def rounded(weight: torch.Tensor, method: str) -> torch.Tensor:
    setting = Setting(method, BITS)
    parameters = METHODS[method].start_from_weight(weight, setting, None)
    return METHODS[method].effective_weight(parameters, setting, None).detach()


@torch.no_grad()
def calibrate_batch_norms(model: nn.Module, images: torch.Tensor) -> None:
    norms = [module for module in model.modules() if isinstance(module, nn.BatchNorm2d)]
    for norm in norms:
        nn.init.uniform_(norm.weight, 0.5, 1.5)
        nn.init.normal_(norm.bias, std=0.2)
        norm.reset_running_stats()
        norm.momentum = None  # one cumulative average
        norm.train()
    if norms:
        model(images)
    model.eval()


@torch.no_grad()
def centre_logits(model: nn.Module, images: torch.Tensor) -> None:
    last = [module for module in model.modules() if isinstance(module, nn.Conv2d | nn.Linear)][-1]
    seen = []
    hook = last.register_forward_hook(lambda module, inputs, output: seen.append(output))
    model(images)
    hook.remove()
    channel = 1 if isinstance(last, nn.Conv2d) else -1
    last.bias -= seen[0].movedim(channel, -1).flatten(0, -2).mean(0)


def photographs(count: int, seed: int = 7) -> np.ndarray:
    """Crops, flipped and scaled, of scikit-learn's two sample photographs, normalised: float32 [count, 3, 224, 224]."""
    from PIL import Image

    random = np.random.default_rng(seed)
    pictures = [Image.open(path).convert("RGB") for path in photograph_files()]
    batch = np.empty((count, 3, SIZE, SIZE), np.float32)
    for index in range(count):
        picture = pictures[index % len(pictures)]
        side = int(random.integers(SIZE // 2, picture.height + 1))
        left = int(random.integers(0, picture.width - side + 1))
        top = int(random.integers(0, picture.height - side + 1))
        crop = picture.resize((SIZE, SIZE), Image.Resampling.BILINEAR, (left, top, left + side, top + side))
        if random.random() < 0.5:
            crop = crop.transpose(Image.Transpose.FLIP_LEFT_RIGHT)
        pixels = (np.asarray(crop, np.float32) / 255 - np.float32(IMAGENET_MEAN)) / np.float32(IMAGENET_STD)
        batch[index] = pixels.transpose(2, 0, 1)
    return batch


def photograph_files() -> list[Path]:
    import sklearn.datasets

    folder = Path(sklearn.datasets.__file__).parent / "images"
    return [folder / "china.jpg", folder / "flower.jpg"]


def write_onnx(model: nn.Module, path: str | Path) -> None:
    """PyTorch's own float32 export, batch left open: what ONNX Runtime is asked to run."""
    image, batch = torch.zeros(2, 3, SIZE, SIZE), {0: torch.export.Dim("batch")}
    with warnings.catch_warnings(action="ignore", category=FutureWarning):  # PyTorch's, about itself
        program = torch.onnx.export(model, (image,), dynamo=True, dynamic_shapes=(batch,), verbose=False)
    program.save(path, external_data=False)


def write_sources(name: str, state_dict: str, onnx: str) -> None:
    model = shift_model(name)
    write_onnx(model, onnx)
    torch.save(model.state_dict(), state_dict)


if __name__ == "__main__":
    write_sources(*sys.argv[1:])
