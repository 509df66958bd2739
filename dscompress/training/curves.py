"""curves: curves.png, what a training came to so far: loss, accuracy and rate over the epochs."""

from __future__ import annotations

import io

from dscompress.training.history import History


def draw_curves(history: History, title: str) -> bytes:
    """The bytes of a PNG of 1200 x 450 pixels."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(12, 4.5), dpi=100, layout="constrained")
    FigureCanvasAgg(figure)
    losses, accuracies, rates = figure.subplots(1, 3)
    epochs = [each.epoch for each in history.epochs]
    style = {"linewidth": 1.5, "marker": "." if len(epochs) < 60 else None}

    losses.plot(epochs, [each.loss for each in history.epochs], label="training, augmented", **style)
    losses.plot(epochs, [each.validation_loss for each in history.epochs], label="held out", **style)
    losses.set(title="loss per image", xlabel="epoch", yscale="log")
    losses.legend()

    accuracies.plot(epochs, [100 * each.accuracy for each in history.epochs], label="training, augmented", **style)
    accuracies.plot(epochs, [100 * each.validation_accuracy for each in history.epochs], label="held out", **style)
    best = history.best
    accuracies.plot(best.epoch, 100 * best.validation_accuracy, "o", color="black", fillstyle="none", markersize=9,
                    label=f"best: {100 * best.validation_accuracy:.2f} %, epoch {best.epoch}")  # fmt: skip
    accuracies.set(title="accuracy in %", xlabel="epoch")
    accuracies.legend(loc="lower right")

    rates.plot(epochs, [each.rate for each in history.epochs], color="gray", **style)
    rates.set(title="learning rate", xlabel="epoch")
    for axes in (losses, accuracies, rates):
        axes.grid(alpha=0.3)
        axes.xaxis.get_major_locator().set_params(integer=True)
    figure.suptitle(title)
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
