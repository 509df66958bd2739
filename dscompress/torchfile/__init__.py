"""torchfile: files of torch.save and safetensors read as data. An attacker may have written every byte: nothing that a
file names is imported or called, and what is crooked is refused with a sentence.

bytes ─zip_file, legacy_file→ pickle ─pickle_machine→ inert values ─reader→ the object, tensors on request
bytes ─safetensors_file──────────────────────────────────↑            weight_sets: which set of weights, and its keys
"""
