"""torchscript: an archive of torch.jit.save, through PyTorch's TorchScript exporter, with --trust-pickle alone.

The archive is a program. Its __setstate__ runs while it is loaded, its forward() while it is captured, and TorchScript
has operators that write files. The exporter keeps no module paths; a .pt2 says more in reports and profiles.
"""

import io
from dataclasses import replace
from pathlib import Path

import onnx
import torch

from dscompress.capture import onnx_file
from dscompress.capture.input_examples import examples_of, zeros
from dscompress.capture.input_shape import HOW, parse_input_shapes
from dscompress.capture.options import Captured, CaptureOptions
from dscompress.capture.pickled_module import WARNING
from dscompress.errors import CompileError
from dscompress.library import first_line
from dscompress.torchmodel.quiet import quiet

KIND = "TorchScript"
OPSET = 20
INSTEAD = "export the nn.Module instead: torch.export.save(torch.export.export(model, inputs), 'model.pt2')"


def capture(path: Path, options: CaptureOptions) -> Captured:
    where = str(path)
    if not options.trust_pickle:
        raise CompileError(
            where,
            "is a TorchScript archive, a program that runs while it is loaded and captured",
            what_to_do=f"{INSTEAD}; or, if you made the file, add --trust-pickle",
        )
    notes = [WARNING]
    shapes = parse_input_shapes(options.input_shape) or options.implied(notes)
    if shapes is None and options.inputs is None:
        raise CompileError(where, "a TorchScript archive does not say its input's shape", what_to_do=f"add {HOW}")
    try:
        with quiet():
            module = torch.jit.load(path, map_location="cpu").eval()
    except Exception as error:
        reason = first_line(error)
        raise CompileError(where, f"PyTorch cannot load it ({reason})", what_to_do=INSTEAD) from None
    if options.inputs is None and shapes is not None:
        inputs = tuple(zeros(shapes, options.dtypes(len(shapes)), where))
    else:
        inputs = tuple(by_place(options, where))
    names = [f"input_{index}" for index in range(len(inputs))] if len(inputs) > 1 else ["input"]
    free = {name: {0: "N"} for name in names} if options.dynamic_batch else None
    buffer = io.BytesIO()
    try:
        with quiet(), torch.no_grad():
            torch.onnx.export(
                module,
                inputs,
                buffer,  # type: ignore[arg-type]  # without dynamo a file object is taken, too
                dynamo=False,
                opset_version=OPSET,
                input_names=names,
                dynamic_axes=free,
            )
    except Exception as error:
        reason = first_line(error)
        raise CompileError(where, f"PyTorch could not turn it into ONNX ({reason})", what_to_do=INSTEAD) from None
    captured = onnx_file.from_proto(onnx.ModelProto.FromString(buffer.getvalue()), options, where)
    return replace(captured, kind=KIND, notes=notes + captured.notes)


def by_place(options: CaptureOptions, where: str) -> list[torch.Tensor]:
    found = examples_of(options.inputs, where)
    return list(found.values()) if isinstance(found, dict) else found
