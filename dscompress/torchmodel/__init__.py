"""torchmodel: a PyTorch network by the name of what builds it, with the weights of a file in it.

"package.module:factory" ─factory→ nn.Module ─fill→ the same, with the file's weights
         torchvision_models: torchvision's, beside any build of PyTorch        quiet: no word of PyTorch on the terminal
"""
