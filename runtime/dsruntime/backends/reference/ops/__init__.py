"""Every op in plain NumPy, one file each. To add one: write its file, import it here, put it in OPS.

A function takes the node's inputs in order (None: absent) and its attributes by name, and returns one array, or a
sequence of arrays for an op with several outputs. Dimensions in attributes are concrete: the executor has put the
batch size in.
"""

from collections.abc import Callable
from typing import Any

from dsruntime.backends.reference.ops.abs import abs
from dsruntime.backends.reference.ops.add import add
from dsruntime.backends.reference.ops.arg_max import arg_max
from dsruntime.backends.reference.ops.average_pool import average_pool
from dsruntime.backends.reference.ops.batch_normalization import batch_normalization
from dsruntime.backends.reference.ops.cast import cast
from dsruntime.backends.reference.ops.clip import clip
from dsruntime.backends.reference.ops.concat import concat
from dsruntime.backends.reference.ops.constant_of_shape import constant_of_shape
from dsruntime.backends.reference.ops.conv import conv
from dsruntime.backends.reference.ops.conv_transpose import conv_transpose
from dsruntime.backends.reference.ops.div import div
from dsruntime.backends.reference.ops.elu import elu
from dsruntime.backends.reference.ops.erf import erf
from dsruntime.backends.reference.ops.exp import exp
from dsruntime.backends.reference.ops.expand import expand
from dsruntime.backends.reference.ops.flatten import flatten
from dsruntime.backends.reference.ops.floor import floor
from dsruntime.backends.reference.ops.gather import gather
from dsruntime.backends.reference.ops.gelu import gelu
from dsruntime.backends.reference.ops.gemm import gemm
from dsruntime.backends.reference.ops.global_average_pool import global_average_pool
from dsruntime.backends.reference.ops.global_max_pool import global_max_pool
from dsruntime.backends.reference.ops.hard_sigmoid import hard_sigmoid
from dsruntime.backends.reference.ops.hard_swish import hard_swish
from dsruntime.backends.reference.ops.identity import identity
from dsruntime.backends.reference.ops.layer_normalization import layer_normalization
from dsruntime.backends.reference.ops.leaky_relu import leaky_relu
from dsruntime.backends.reference.ops.log import log
from dsruntime.backends.reference.ops.log_softmax import log_softmax
from dsruntime.backends.reference.ops.mat_mul import mat_mul
from dsruntime.backends.reference.ops.max_pool import max_pool
from dsruntime.backends.reference.ops.mul import mul
from dsruntime.backends.reference.ops.neg import neg
from dsruntime.backends.reference.ops.pad import pad
from dsruntime.backends.reference.ops.pow import pow
from dsruntime.backends.reference.ops.prelu import prelu
from dsruntime.backends.reference.ops.reciprocal import reciprocal
from dsruntime.backends.reference.ops.reduce_max import reduce_max
from dsruntime.backends.reference.ops.reduce_mean import reduce_mean
from dsruntime.backends.reference.ops.reduce_sum import reduce_sum
from dsruntime.backends.reference.ops.relu import relu
from dsruntime.backends.reference.ops.reshape import reshape
from dsruntime.backends.reference.ops.resize import resize
from dsruntime.backends.reference.ops.sigmoid import sigmoid
from dsruntime.backends.reference.ops.slice import slice
from dsruntime.backends.reference.ops.softmax import softmax
from dsruntime.backends.reference.ops.split import split
from dsruntime.backends.reference.ops.sqrt import sqrt
from dsruntime.backends.reference.ops.squeeze import squeeze
from dsruntime.backends.reference.ops.sub import sub
from dsruntime.backends.reference.ops.tanh import tanh
from dsruntime.backends.reference.ops.top_k import top_k
from dsruntime.backends.reference.ops.transpose import transpose
from dsruntime.backends.reference.ops.unsqueeze import unsqueeze

OPS: dict[str, Callable[..., Any]] = {
    "abs": abs,
    "add": add,
    "arg_max": arg_max,
    "average_pool": average_pool,
    "batch_normalization": batch_normalization,
    "cast": cast,
    "clip": clip,
    "concat": concat,
    "constant_of_shape": constant_of_shape,
    "conv": conv,
    "conv_transpose": conv_transpose,
    "div": div,
    "elu": elu,
    "erf": erf,
    "exp": exp,
    "expand": expand,
    "flatten": flatten,
    "floor": floor,
    "gather": gather,
    "gelu": gelu,
    "gemm": gemm,
    "global_average_pool": global_average_pool,
    "global_max_pool": global_max_pool,
    "hard_sigmoid": hard_sigmoid,
    "hard_swish": hard_swish,
    "identity": identity,
    "layer_normalization": layer_normalization,
    "leaky_relu": leaky_relu,
    "log": log,
    "log_softmax": log_softmax,
    "mat_mul": mat_mul,
    "max_pool": max_pool,
    "mul": mul,
    "neg": neg,
    "pad": pad,
    "pow": pow,
    "prelu": prelu,
    "reciprocal": reciprocal,
    "reduce_max": reduce_max,
    "reduce_mean": reduce_mean,
    "reduce_sum": reduce_sum,
    "relu": relu,
    "reshape": reshape,
    "resize": resize,
    "sigmoid": sigmoid,
    "slice": slice,
    "softmax": softmax,
    "split": split,
    "sqrt": sqrt,
    "squeeze": squeeze,
    "sub": sub,
    "tanh": tanh,
    "top_k": top_k,
    "transpose": transpose,
    "unsqueeze": unsqueeze,
}
