"""Weights of EfficientNet-B0, which has squeeze-excite and swish, drawn at random and named as `efficientnet_pytorch` does."""

import json
import struct

import numpy as np

# Of each stage: blocks, kernel, expansion and output channels.
STAGES = [(1, 3, 1, 16), (2, 3, 6, 24), (2, 5, 6, 40), (3, 3, 6, 80), (3, 5, 6, 112), (4, 5, 6, 192), (1, 3, 6, 320)]


def b0(path):
    random = np.random.default_rng(0)
    tensors = {}

    def conv(name, *shape, bias=False):
        deviation = np.sqrt(2 / np.prod(shape[1:]))
        tensors[f"{name}.weight"] = random.normal(0, deviation, shape)
        if bias:
            tensors[f"{name}.bias"] = random.normal(0, 0.1, shape[0])

    def norm(name, channels):
        for part, low, high in [("weight", 0.8, 1.2), ("bias", -0.1, 0.1), ("running_mean", -0.1, 0.1), ("running_var", 0.8, 1.2)]:
            tensors[f"{name}.{part}"] = random.uniform(low, high, channels)

    conv("_conv_stem", 32, 3, 3, 3)
    norm("_bn0", 32)
    block, inputs = 0, 32
    for repeats, kernel, expansion, outputs in STAGES:
        for _ in range(repeats):
            name, expanded, squeezed = f"_blocks.{block}", inputs * expansion, max(inputs // 4, 1)
            if expansion > 1:
                conv(f"{name}._expand_conv", expanded, inputs, 1, 1)
                norm(f"{name}._bn0", expanded)
            conv(f"{name}._depthwise_conv", expanded, 1, kernel, kernel)
            norm(f"{name}._bn1", expanded)
            conv(f"{name}._se_reduce", squeezed, expanded, 1, 1, bias=True)
            conv(f"{name}._se_expand", expanded, squeezed, 1, 1, bias=True)
            conv(f"{name}._project_conv", outputs, expanded, 1, 1)
            norm(f"{name}._bn2", outputs)
            block, inputs = block + 1, outputs
    write(path, {name: np.float32(values) for name, values in tensors.items()})


def write(path, tensors):
    """A safetensors file."""
    header, start = {}, 0
    for name, values in tensors.items():
        header[name] = {"dtype": "F32", "shape": values.shape, "data_offsets": [start, start + values.nbytes]}
        start += values.nbytes
    text = json.dumps(header).encode()
    with open(path, "wb") as file:
        file.write(struct.pack("<Q", len(text)) + text)
        for values in tensors.values():
            file.write(values.tobytes())
