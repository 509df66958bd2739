"""accuracy_cells: what accuracy.py measures: networks, the held-out split, and each way to a network's weights."""

from dataclasses import dataclass
from typing import Any

from dscompress import ptq
from dscompress.models.digits import small_mobilenet, small_resnet

NETS = {"resnet": small_resnet, "mobilenet": small_mobilenet}
HELD_OUT, SPLIT_SEED = 0.3, 0
CALIBRATION = 256  # unlabelled training images that post-training conversion sees
FLOAT_RECIPE, FLOAT_TUNING = "float-digits-scratch", "q-digits-pretrained"


@dataclass(frozen=True)
class Cell:
    """way: float, tuned (the float network, trained on as long as the shift ones), scratch, pretrained or ptq."""

    name: str
    way: str
    method: str = ""
    bits: int = 0
    setting: tuple[tuple[str, Any], ...] = ()
    ingredients: tuple[str, ...] = ()


def trained_cells() -> list[Cell]:
    cells = [
        Cell(f"{method} {bits} {way}", way, method, bits)
        for method, choices in (("q", (5, 4, 3, 2)), ("ps", (5, 4, 3, 2)), ("s3", (3,)), ("dense", (3,)))
        for bits in choices
        for way in ("pretrained", "scratch")
    ]
    scaled = [Cell(f"{method} {bits} scaled", "pretrained", method, bits, (("scale", "trained"),))
              for bits in (5, 4, 3, 2)
              for method in ("q", "ps")]  # fmt: skip
    return cells + scaled


def converted_cells() -> list[Cell]:
    every = tuple(ptq.INGREDIENTS)
    choices = {"naive": (), "all": every}
    choices |= {f"without {name}": tuple(each for each in every if each != name) for name in every}
    return [
        Cell(f"ptq {bits} {name}", "ptq", bits=bits, ingredients=chosen)
        for bits in (5, 4, 3)
        for name, chosen in choices.items()
    ]


CELLS = [Cell("float32", "float"), Cell("float32 tuned", "tuned"), *trained_cells(), *converted_cells()]


def recipe_of(cell: Cell) -> str:
    """The named preset of dscompress.training that a trained cell follows."""
    if cell.way == "float":
        return FLOAT_RECIPE
    return FLOAT_TUNING if cell.way == "tuned" else f"{cell.method}-digits-{cell.way}"
