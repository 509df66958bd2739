"""world: one process, or several that torchrun started. Everything goes through torch.distributed.

    torchrun --nproc-per-node 2 -m dscompress train digits -o run

The processes share each batch. A step's gradient is that of the whole batch, however it is divided: a process divides
its summed loss by the images of all processes and multiplies it by their number, for DistributedDataParallel takes a
mean.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import distributed

from dscompress.errors import BackendError

# What Gloo and NCCL say where a process has gone.
LOST = ("closed by peer", "Connection reset", "Broken pipe", "remote process exited", "NCCL communicator was aborted")


@dataclass(frozen=True)
class World:
    rank: int = 0
    size: int = 1

    def share(self, indices: torch.Tensor) -> torch.Tensor:
        """This process's part of a batch. A batch of fewer than two images a process goes whole to each of them."""
        return indices if len(indices) < 2 * self.size else indices.tensor_split(self.size)[self.rank]

    def total(self, values: torch.Tensor) -> torch.Tensor:
        """The sum over the processes, in place."""
        if self.size > 1:
            distributed.all_reduce(values)
        return values

    def spread(self, model: torch.nn.Module, device: torch.device) -> torch.nn.Module:
        """The model as the training step calls it; the processes start from rank 0's values."""
        if self.size == 1:
            return model
        devices = [device] if device.type == "cuda" else None
        return torch.nn.parallel.DistributedDataParallel(model, device_ids=devices)

    def told(self, value):
        """What rank 0 has; the others' is ignored."""
        box = [value]
        if self.size > 1:
            distributed.broadcast_object_list(box, 0)
        return box[0]

    def agree_on_buffers(self, model: torch.nn.Module) -> None:
        """Rank 0's running means and the like, which it saves, are what every process judges with."""
        for buffer in model.buffers() if self.size > 1 else ():
            distributed.broadcast(buffer, 0)


def current_world() -> World:
    if distributed.is_available() and distributed.is_initialized():
        return World(distributed.get_rank(), distributed.get_world_size())
    return World()


def is_of_torchrun() -> bool:
    return "TORCHELASTIC_RUN_ID" in os.environ or {"RANK", "WORLD_SIZE", "MASTER_ADDR"} <= os.environ.keys()


@contextmanager
def joined(device: str | None) -> Iterator[World]:
    """Joins the processes of torchrun, if it started this one, and leaves them again."""
    if not is_of_torchrun():
        yield World()
        return
    on_gpu = device_named(device).type == "cuda"
    try:
        distributed.init_process_group("nccl" if on_gpu else "gloo")
    except (RuntimeError, ValueError) as error:
        text = str(error).splitlines()[0]
        raise BackendError("torchrun", f"the processes cannot meet: {text}", "", "start them with torchrun") from None
    try:
        yield current_world()
        distributed.barrier()  # who leaves first could end what another still waits for
    except RuntimeError as error:
        if not any(text in str(error) for text in LOST):
            raise
        raise BackendError("torchrun", "another process has ended", "", "its own message says why") from None
    finally:
        distributed.destroy_process_group()


def device_named(name: str | None) -> torch.device:
    """None: this process's GPU if there is one, else the CPU."""
    if name in (None, "auto"):
        name = "cuda" if torch.cuda.is_available() else "cpu"
    if name == "cuda" and "LOCAL_RANK" in os.environ:
        name = f"cuda:{os.environ['LOCAL_RANK']}"
    try:
        device = torch.device(name)
        torch.empty(1, device=device)
    except (RuntimeError, AssertionError, NotImplementedError) as error:
        text = str(error).splitlines()[0]
        raise BackendError(f"device '{name}'", text, "cpu, or cuda on a machine that has one") from None
    if device.type == "cuda":
        torch.cuda.set_device(device)
    return device
