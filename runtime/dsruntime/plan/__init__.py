"""What is planned of a model without knowing the device: for backends, and for whatever else lays a model out.

fusion.py    which nodes become one step
lives.py     between which steps a buffer or a value is needed
arena.py     buffers with lives into one piece of memory
tensor.py    a value as a strided window into a buffer

Nothing here imports NumPy or a backend.
"""
