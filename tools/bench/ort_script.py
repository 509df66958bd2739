"""The peer of `dscompress run model.dsf photo.jpg`: a minimal ONNX Runtime script for the float32 .onnx.

usage: python ort_script.py model.onnx photo.jpg
"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

photo = Image.open(sys.argv[2]).convert("RGB")
scale = 256 / min(photo.size)
photo = photo.resize((int(photo.width * scale), int(photo.height * scale)), Image.Resampling.BILINEAR)
left, top = (photo.width - 224) // 2, (photo.height - 224) // 2
pixels = np.asarray(photo.crop((left, top, left + 224, top + 224)), np.float32) / 255
pixels = (pixels - np.float32([0.485, 0.456, 0.406])) / np.float32([0.229, 0.224, 0.225])
session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
logits = session.run(None, {session.get_inputs()[0].name: pixels.transpose(2, 0, 1)[None]})[0][0]
odds = np.exp(logits - logits.max())
odds /= odds.sum()
for index in np.argsort(-odds)[:5]:
    print(f"{index:5d}  {odds[index]:.4f}")
