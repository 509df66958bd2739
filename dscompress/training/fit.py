"""fit: trains a model in place and returns what every epoch came to.

    history = fit(model, data, recipe_named("ps-digits-pretrained"), seed=0)

A Training holds everything that changes while a network learns. state() is all of it between two epochs as plain values
and tensors, and a Training that loads it goes on as if nothing had happened: the order of the images, the augmentation
and the seed of everything else are functions of (seed, epoch, image), see chances.py.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable

import torch
from torch import nn

from dscompress.errors import TrainingError
from dscompress.nn import regularization
from dscompress.recipes import Recipe, check_recipe
from dscompress.training import chances
from dscompress.training.data import Batch, Data, Tensors
from dscompress.training.evaluate import Score, evaluate
from dscompress.training.history import Epoch, History
from dscompress.training.objective import summed_loss
from dscompress.training.optimizers import make_optimizer, set_rate
from dscompress.training.precision import Precision
from dscompress.training.world import current_world, device_named

LOOK_EVERY = 20  # steps between two looks at the loss, each of which waits for the device


def fit(model: nn.Module, data: Data, recipe: Recipe, **settings) -> History:
    """settings: those of Training. The model is changed in place, and holds the last epoch's weights."""
    return Training(model, data, recipe, **settings).run()


class Training:
    """model: logits [n, classes] from images [n, channels, height, width]. teacher: for the recipe's `distill`.

    device: "cpu", "cuda", ...; None takes a GPU if there is one. precision: see precision.py.
    on_step(epoch, step, steps) is called after every step; epoch 0 and step 1 are the first.
    """

    def __init__(
        self,
        model: nn.Module,
        data: Data,
        recipe: Recipe,
        *,
        seed: int = 0,
        device: str | None = None,
        precision: str = "float32",
        teacher: nn.Module | None = None,
        on_step: Callable[[int, int, int], None] | None = None,
    ) -> None:
        self.data, self.recipe, self.seed, self.on_step = data, check_recipe(recipe), seed, on_step
        self.world, self.device = current_world(), device_named(device)
        self.precision = Precision(precision, self.device)
        self.model = model.to(self.device)
        self.teacher = None if teacher is None else teacher.to(self.device).eval()
        self.train_on, self.judge_on = (on_device(part, self.device) for part in (data.train, data.validation))
        check_fit(self)
        self.net = self.world.spread(self.model, self.device)
        self.optimizer = make_optimizer(self.model, recipe)
        self.history = History()
        self.epoch = 0

    def run(self, after_epoch: Callable[[Training], None] = lambda training: None) -> History:
        """Trains what is left of the recipe's epochs; after_epoch is called once each is finished."""
        while self.epoch < self.recipe.epochs:
            self.train_epoch()
            after_epoch(self)
        return self.history

    def state(self) -> dict:
        return {
            "epoch": self.epoch,
            "state_dict": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.precision.scaler.state_dict(),
            "history": self.history.plain(),
        }

    def load(self, state: dict) -> None:
        self.model.load_state_dict(state["state_dict"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.precision.scaler.load_state_dict(state["scaler"])
        self.history, self.epoch = History.from_plain(state["history"]), state["epoch"]

    def steps(self) -> int:
        """Of an epoch."""
        return len(plan_of(torch.arange(len(self.train_on)), self.recipe.batch))

    def train_epoch(self) -> None:
        started = time.perf_counter()
        chances.seed_everything(self.seed, self.epoch, self.world.rank)
        self.model.train()
        loss, right, count, skipped = self.take_steps()
        self.world.agree_on_buffers(self.model)
        score = evaluate(self.model, self.judge_on, self.device, self.precision, self.world)
        self.check_course(loss, count, score)
        self.history.note_skipped((*skipped, *score.skipped))
        self.history.note(score.notes)
        missing = self.world.total(torch.tensor(float(len(skipped) + len(score.skipped)), device=self.device))
        self.epoch += 1
        self.history.epochs.append(Epoch(
            self.epoch, self.rate, loss / count, right / count, score.loss, score.accuracy, int(missing.item()),
            time.perf_counter() - started, score.count,
        ))  # fmt: skip

    def take_steps(self) -> tuple[float, float, float, list[str]]:
        """The epoch's summed loss and right answers over all processes, the images they are of, what was skipped."""
        plan = plan_of(chances.order(len(self.train_on), self.seed, self.epoch), self.recipe.batch)
        shares = [self.world.share(indices) for indices in plan]
        draws = chances.draws(len(self.train_on), self.seed, self.epoch)
        sums = torch.zeros(3, dtype=torch.float64, device=self.device)
        skipped: list[str] = []
        batches = self.train_on.batches(shares, draws, self.recipe)
        for step, (indices, share, batch) in enumerate(zip(plan, shares, batches, strict=True)):
            self.rate = set_rate(self.optimizer, self.recipe, self.epoch + step / len(plan))
            shared = len(share) < len(indices)
            skipped += batch.skipped if shared or self.world.rank == 0 else ()
            self.history.note(batch.notes)
            sums += self.take_step(batch, len(indices), shared)
            if step % LOOK_EVERY == 0:
                self.check_course(sums[0].item())
            if self.on_step:
                self.on_step(self.epoch, step + 1, len(plan))
        loss, right, count = self.world.total(sums).tolist()
        return loss, right, count, skipped

    def take_step(self, batch: Batch, whole: int, shared: bool) -> torch.Tensor:
        """One step of the optimiser. Returns this process's [loss, right answers, images], to be added up.

        whole: the images of the step over all processes. shared: whether they are divided among them.
        """
        whole = self.images_left(batch, whole, shared)
        count = len(batch.targets)
        if not whole:
            return torch.zeros(3, dtype=torch.float64, device=self.device)
        images, targets = batch.images.to(self.device), batch.targets.to(self.device)
        if not count:  # every process takes every step: blank images without weight stand in for none
            images, targets = images.new_zeros(2, *self.data.input_shape[1:]), targets.new_zeros(2)
        with self.precision.autocast():
            logits = self.net(images)
        loss = summed_loss(logits, targets, self.taught(images), self.recipe) * bool(count)
        extra = regularization(self.model, self.recipe.shift_decay)
        self.descend(loss / whole * (self.world.size if shared else 1) + extra)
        right = (logits.argmax(1) == targets).sum() * bool(count)
        sums = torch.stack([(loss + extra * count).detach().double(), right.double(), right.new_tensor(count).double()])
        return sums if shared else sums / self.world.size  # an undivided batch counts once over all processes

    def images_left(self, batch: Batch, whole: int, shared: bool) -> int:
        """Of the step's images, those that could be read, over all processes."""
        if isinstance(self.train_on, Tensors):
            return whole
        read = torch.tensor(float(len(batch.targets)), device=self.device)
        return int(self.world.total(read).item()) if shared else len(batch.targets)

    def taught(self, images: torch.Tensor) -> torch.Tensor | None:
        if self.teacher is None or not self.recipe.distill:
            return None
        with torch.no_grad(), self.precision.autocast():
            return self.teacher(images)

    def descend(self, loss: torch.Tensor) -> None:
        scaler = self.precision.scaler
        self.optimizer.zero_grad()
        scaler.scale(loss).backward()
        if self.recipe.clip:
            scaler.unscale_(self.optimizer)
            nn.utils.clip_grad_norm_(self.model.parameters(), self.recipe.clip)
        scaler.step(self.optimizer)
        scaler.update()

    def check_course(self, loss: float, count: float = 1, score: Score | None = None) -> None:
        """Stops a training that has left the numbers, or that has nothing to see."""
        where = f"epoch {self.epoch + 1}"
        if not count or (score and not score.count):
            raise TrainingError(where, "not one image could be read", "PNG, JPEG or BMP images", "look at the data")
        found = "" if math.isfinite(loss) else f"the loss is {loss}"
        if score and not found and not math.isfinite(score.loss):
            found = f"the loss on the images to judge on is {score.loss}"
        if found:
            remedy = "take a smaller rate, a longer warm-up, or clip the gradients"
            raise TrainingError(where, found, "a finite number", remedy)


def plan_of(order: torch.Tensor, batch: int) -> list[torch.Tensor]:
    """The steps of an epoch. A last step of one image is left out: batch norm cannot learn from it alone."""
    steps = list(order.split(batch))
    return steps[:-1] if len(steps) > 1 and len(steps[-1]) == 1 else steps


def on_device(images, device: torch.device):
    return images.to(device) if isinstance(images, Tensors) else images


@torch.no_grad()
def check_fit(training: Training) -> None:
    """Refuses a model that does not take these images, or does not answer with these classes."""
    model, data = training.model, training.data
    name, shape = type(model).__name__, tuple(data.input_shape)
    was_training = model.training
    model.eval()
    try:
        answer = model(torch.zeros(shape, device=training.device))
    except (RuntimeError, ValueError, TypeError, AssertionError) as error:
        found = f"it does not take images of shape {shape}: {str(error).splitlines()[0]}"
        remedy = "check the model's arguments, or the size of the images"
        raise TrainingError(name, found, "a model for these images", remedy) from None
    model.train(was_training)
    count = len(data.classes)
    if not isinstance(answer, torch.Tensor) or answer.dim() != 2 or answer.shape[1] != count:
        shown = tuple(answer.shape) if isinstance(answer, torch.Tensor) else type(answer).__name__
        found = f"it answers {shown} for one image, and {data.name} has {count} classes"
        remedy = f"build it for {count} classes, for example --model-args '{{\"num_classes\": {count}}}'"
        raise TrainingError(name, found, f"(1, {count})", remedy)
