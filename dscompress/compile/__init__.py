"""From a captured graph to a file, a step a file: lower/, assemble, encode, write, prove, report. road.py walks them.

Importing this room imports nothing of it: whoever only encodes or writes loads neither PyTorch nor ONNX.
"""
