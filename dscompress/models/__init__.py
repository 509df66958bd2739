"""Built-in networks, by name. To add one: a function in a file here that returns an nn.Module, and its line below.

The functions take `classes` and `channels`, which `dscompress train` fills in from the data.
"""

BUILT_IN: dict[str, str] = {
    "small_resnet": "dscompress.models.digits:small_resnet",
    "small_mobilenet": "dscompress.models.digits:small_mobilenet",
}
