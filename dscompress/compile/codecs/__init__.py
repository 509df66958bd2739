"""How tensors are stored: one file a codec. dscompress/compile/encode.py lists them and tries them."""
