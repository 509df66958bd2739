"""Statistics: what a layer's inputs say about errors in its weight.

The layer computes y = W x, one column x of K numbers for each output position: K is input channels of a group times
kernel. With errors E = W - Q its output is wrong by E x, and over all positions

    sum |E x|^2 = trace(E H E^T)        H = sum x x^T                       [groups, K, K]

x comes from the network as it is quantised so far. The float network had x' there, and W x' is what is wanted:

    drift       D = sum (x' - x) x^T    [groups, K, K]

`centred` subtracts the means: where a bias absorbs the mean of the error, only what varies is an error. Not all
positions are looked at: ROWS_A_COLUMN for each of the K columns are plenty, spread evenly over the inputs.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from dscompress.ptq.layers import Layer

ROWS_A_COLUMN = 32
LEAST_ROWS, MOST_ROWS = 8_192, 65_536


@dataclass
class Statistics:
    second_moment: torch.Tensor  # H, [groups, K, K]
    drift: torch.Tensor  # D, [groups, K, K]
    sums: torch.Tensor  # of x, [groups, K]
    drift_sums: torch.Tensor  # of x' - x, [groups, K]
    rows: int = 0

    @classmethod
    def empty(cls, layer: Layer) -> Statistics:
        groups, _, columns = layer.matrix_shape
        square, vector = (groups, columns, columns), (groups, columns)
        return cls(torch.zeros(square), torch.zeros(square), torch.zeros(vector), torch.zeros(vector))

    @classmethod
    def plain(cls, layer: Layer) -> tuple[Statistics, Statistics]:
        """Of inputs that nobody looked at: an error of the weight is an error of the output."""
        found = cls.empty(layer)
        found.second_moment += torch.eye(layer.matrix_shape[2])
        return found, cls.empty(layer)

    def add(self, x: torch.Tensor, wanted: torch.Tensor) -> None:
        """x, wanted: columns of the quantised and of the float network, [groups, rows, K]."""
        self.rows += x.shape[1]
        self.second_moment.baddbmm_(x.mT, x)
        self.sums += x.sum(1)
        if wanted is not x:
            difference = wanted - x
            self.drift.baddbmm_(difference.mT, x)
            self.drift_sums += difference.sum(1)

    def __add__(self, other: Statistics) -> Statistics:
        return Statistics(
            self.second_moment + other.second_moment, self.drift + other.drift, self.sums + other.sums,
            self.drift_sums + other.drift_sums, self.rows + other.rows,
        )  # fmt: skip

    def centred(self) -> Statistics:
        means = self.sums / max(self.rows, 1)
        moment = self.second_moment - outer(self.sums, means)
        drift = self.drift - outer(self.drift_sums, means)
        return Statistics(moment, drift, torch.zeros_like(self.sums), torch.zeros_like(self.sums), self.rows)


def outer(a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
    return a.unsqueeze(2) * b.unsqueeze(1)


def rows_wanted(layer: Layer) -> int:
    return min(max(ROWS_A_COLUMN * layer.matrix_shape[2], LEAST_ROWS), MOST_ROWS)
