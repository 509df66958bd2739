"""What the kernels' steps take in besides their first node (dsruntime/plan/fusion.py has what may join)."""

from __future__ import annotations

from dsruntime.plan.fusion import Join, Takes

PRODUCTS = ("conv", "conv_transpose", "gemm", "mat_mul")
POINTWISE = ("add", "sub", "mul", "div", "pow", "prelu", "batch_normalization")

CLIP = frozenset({Join.CLIP})
EPILOGUE = frozenset({Join.RESIDUAL, Join.CLIP})
GATE = frozenset({Join.GATE})

TAKES = {
    **dict.fromkeys(POINTWISE, Takes(CLIP, CLIP)),
    **dict.fromkeys(PRODUCTS, Takes(of_weight=EPILOGUE, otherwise=CLIP)),
    # the product of two activations has no epilogue, but a factor: attention's scores
    "mat_mul": Takes(of_weight=EPILOGUE | {Join.BIAS}, otherwise=CLIP | {Join.FACTOR}),
    "sigmoid": Takes(GATE, GATE),  # silu
}
