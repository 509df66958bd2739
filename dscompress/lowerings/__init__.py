"""How ONNX operators become operators of the file, grouped by what they share. The table is dscompress/lower.py."""
