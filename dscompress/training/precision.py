"""precision: in which floats the forward and backward passes are computed; parameters are float32 always.

float32    everywhere
bf16       autocast to bfloat16: powers of two stay exact in it; CUDA, and CPUs (slower without AMX or AVX512-BF16)
fp16       autocast to float16 with a gradient scaler; CUDA only
auto       bf16 on a CUDA device that has it, else fp16 there, else float32
"""

from __future__ import annotations

import torch

from dscompress.errors import TrainingError

PRECISIONS = ("auto", "float32", "bf16", "fp16")
DTYPES = {"float32": None, "bf16": torch.bfloat16, "fp16": torch.float16}


class Precision:
    def __init__(self, name: str, device: torch.device) -> None:
        if name not in PRECISIONS:
            raise TrainingError(f"precision '{name}'", "there is no such precision", ", ".join(PRECISIONS))
        if name == "auto":
            name = best_for(device)
        if name == "fp16" and device.type != "cuda":
            raise TrainingError("precision 'fp16'", f"the device is {device.type}", "cuda", "use bf16 or float32")
        self.name, self.device, self.dtype = name, device, DTYPES[name]
        self.scaler = torch.amp.GradScaler(device.type, enabled=name == "fp16")

    def autocast(self) -> torch.autocast:
        return torch.autocast(self.device.type, self.dtype, enabled=self.dtype is not None)


def best_for(device: torch.device) -> str:
    if device.type != "cuda":
        return "float32"
    return "bf16" if torch.cuda.is_bf16_supported() else "fp16"
