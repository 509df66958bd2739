"""caps: what a .dsf file may hold at most, as libdsf/src/base/caps.h says it and checks it.

For code that must know before libdsf is asked: the compiler, recipes of images, backends that are not libdsf's.
tests/dsruntime/test_facts.py compares every number with the header's.
"""

# What a caller may raise: defaults of Limits.
DEFAULT_FILE_BYTES = 4 << 30
DEFAULT_ACTIVATION_BYTES = 1 << 30
DEFAULT_WEIGHT_BYTES = 4 << 30

# What nobody may.
MAX_RANK = 6
MAX_DIM = 1 << 20
MAX_TENSOR_BYTES = 2**31 - 1
MAX_FLATBUFFER_BYTES = 64 << 20
MAX_STRING_BYTES = 64 << 10
MAX_VALUES = 16384
MAX_NODES = 4096
MAX_ENDS = 1024  # inputs or outputs of the model
MAX_NODE_ENDS = 4096  # inputs or outputs of one node
MAX_ALL_ENDS = 65536  # inputs and outputs of all nodes together
MAX_LIST = 4096  # entries of one attribute
MAX_METADATA = 4096
MAX_IMAGE_SIDE = 1 << 14
MAX_PROVED_BATCH = 3  # a file's shapes are proved at batch sizes 2 and 3
