"""evaluate: how a network does on images that it does not learn from."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional

from dscompress.training.precision import Precision
from dscompress.training.world import World

BATCH = 256


@dataclass(frozen=True)
class Score:
    loss: float  # cross-entropy per image
    accuracy: float  # 0..1
    count: int  # images that could be read
    skipped: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()


@torch.no_grad()
def evaluate(
    model: nn.Module, images, device=None, precision: Precision | None = None, world: World | None = None
) -> Score:
    """The model in eval mode on Tensors or Images, the work divided among the processes of the world."""
    device, world = torch.device(device or "cpu"), world or World()
    precision = precision or Precision("float32", device)
    was_training = model.training
    model.eval()
    sums = torch.zeros(3, dtype=torch.float64)  # loss, right answers, images
    skipped: list[str] = []
    notes: list[str] = []
    everything = torch.arange(len(images)).tensor_split(world.size)[world.rank]
    for batch in images.batches(everything.split(BATCH)):
        skipped += batch.skipped
        notes += batch.notes
        if len(batch.targets):
            sums += score(model, batch.images.to(device), batch.targets.to(device), precision)
    model.train(was_training)
    loss, right, count = world.total(sums.to(device if device.type == "cuda" else "cpu")).tolist()
    return Score(loss / max(count, 1), right / max(count, 1), int(count), tuple(skipped), tuple(notes))


def score(model: nn.Module, images: torch.Tensor, targets: torch.Tensor, precision: Precision) -> torch.Tensor:
    with precision.autocast():
        logits = model(images)
    loss = functional.cross_entropy(logits.float(), targets, reduction="sum")
    right = (logits.argmax(1) == targets).sum()
    return torch.stack([loss.double(), right.double(), right.new_tensor(len(targets)).double()]).cpu()
