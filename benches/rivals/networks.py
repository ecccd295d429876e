"""A model file of nfbmr as a PyTorch network.

The flow and the mapping networks come from `tests/reference`, the backbones from efficientnet_pytorch
and efficientnet_lite_pytorch, whose parameter names the embedded weights have.
"""

import hashlib
import json
import math
import pathlib
import sys

import torch
from efficientnet_lite_pytorch import EfficientNet as LiteNet
from efficientnet_pytorch import EfficientNet
from safetensors import safe_open
from safetensors.torch import load, save_file
from torch import nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

sys.path.insert(0, str(pathlib.Path(__file__).parents[2] / "tests" / "reference"))
from nf_bmr import Bmr, Flow, bmr_maps, flow_map  # noqa: E402

# The convolutions of a block and the batch normalisation after each.
CONVOLUTIONS = {"_expand_conv": "_bn0", "_depthwise_conv": "_bn1", "_project_conv": "_bn2"}


def read_model(path):
    """The tensors and the metadata of a model file."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}
        return tensors, file.metadata()["nfbmr"]


def write_model(path, tensors, metadata):
    """Writes a model file with its checksum: SHA-256 of the metadata, then names and bytes by name."""
    digest = hashlib.sha256(metadata.encode())
    for name in sorted(set(tensors) - {"sha256"}, key=str.encode):
        digest.update(name.encode())
        digest.update(tensors[name].numpy().tobytes())
    tensors = tensors | {"sha256": torch.frombuffer(bytearray(digest.digest()), dtype=torch.uint8)}
    save_file(tensors, path, metadata={"nfbmr": metadata})


def without_trivial_factors(tensors):
    """The same networks with factors that aren't zero, as after training, so that outputs tell."""
    filled = dict(tensors)
    for index, name in enumerate(sorted(tensors)):
        if name.endswith("gamma"):
            filled[name] = torch.full_like(tensors[name], 0.02 + 0.001 * index % 0.01)
    return filled


class Backbone(nn.Module):
    """The stem and the blocks in use, batch normalisation folded into the convolutions: the features of each level,
    the finest first. A pyramid has one for each stride, of all blocks up to it."""

    def __init__(self, config, earlier_blocks, pyramid, state):
        super().__init__()
        self.earlier_blocks, self.pyramid = earlier_blocks, pyramid
        variant = config["variant"]
        family = LiteNet if variant.startswith("lite") else EfficientNet
        net = family.from_name(f"efficientnet-{variant}")
        if family is EfficientNet:
            net.set_swish(memory_efficient=False)
        for module in net.modules():
            if isinstance(module, nn.BatchNorm2d):
                module.eps = config["batch_norm_eps"]
        problems = net.load_state_dict(state, strict=False)
        used = ("_conv_stem", "_bn0", *(f"_blocks.{i}." for i in range(config["block"] + 1)))
        missing = [
            name
            for name in problems.missing_keys
            if name.startswith(used) and "num_batches_tracked" not in name
        ]
        if missing or problems.unexpected_keys:
            raise ValueError(f"missing {missing}, unexpected {problems.unexpected_keys}")
        net.eval()
        self.stem, self.act = fuse_conv_bn_eval(net._conv_stem, net._bn0), net._swish
        self.blocks = nn.ModuleList(net._blocks[: config["block"] + 1])
        for block in self.blocks:
            for conv, norm in CONVOLUTIONS.items():
                if hasattr(block, conv):
                    folded = fuse_conv_bn_eval(getattr(block, conv), getattr(block, norm))
                    setattr(block, conv, folded)
                    setattr(block, norm, nn.Identity())
        shape = [1, 3, 1, 1]
        self.register_buffer("mean", torch.tensor(config["normalization"]["mean"]).view(shape))
        self.register_buffer("std", torch.tensor(config["normalization"]["std"]).view(shape))

    def forward(self, x):
        x = self.act(self.stem((x - self.mean) / self.std))
        used = []
        for index, block in enumerate(self.blocks):
            x = block(x)
            if index in self.earlier_blocks:
                used.append(x)
        used.append(x)
        sides = [y.shape[-1] for y in used]
        ends = [i + 1 for i in range(len(used)) if i + 1 == len(used) or sides[i + 1] != sides[i]]
        return [self.joined(used[:end]) for end in (ends if self.pyramid else ends[-1:])]

    @staticmethod
    def joined(features):
        # Sides are multiples of the last one's, so that this is plain average pooling.
        side = features[-1].shape[-1]
        return torch.cat([nn.functional.avg_pool2d(y, y.shape[-1] // side) for y in features], 1)


class Whitening(nn.Module):
    """Features averaged over a neighbourhood, less their mean, times a matrix, position by position."""

    def __init__(self, config, state):
        super().__init__()
        side = config["neighborhood"]
        binomial = config["window"] == "binomial"
        weights = torch.tensor([math.comb(side - 1, k) if binomial else 1.0 for k in range(side)])
        for name, value in state.items():
            self.register_buffer(name.replace(".", "_"), value)
        blocks = range(len(state) // 2)
        self.channels = [state[f"blocks.{i}.mean"].shape[2] for i in blocks]
        weights = weights.outer(weights)[None, None].float()
        self.register_buffer("weights", weights / weights.sum())
        # Of a size that ONNX knows.
        self.register_buffer("weights_by_channel", self.weights.repeat(sum(self.channels), 1, 1, 1))

    def forward(self, y):
        images, _, height, width = y.shape
        side = self.weights.shape[-1]
        average = lambda x, weights: nn.functional.conv2d(
            x, weights, padding=side // 2, groups=len(weights)
        )
        inside = average(torch.ones_like(y[:1, :1]), self.weights)
        y = average(y, self.weights_by_channel) / inside
        white = []
        for index, part in enumerate(y.split(self.channels, 1)):
            rows = part.flatten(2).permute(2, 0, 1) - getattr(self, f"blocks_{index}_mean")
            rows = rows @ getattr(self, f"blocks_{index}_matrix")
            white.append(rows.permute(1, 2, 0).reshape(images, -1, height, width))
        return torch.cat(white, 1)


def level_width(width, channels, all_channels):
    """The width of a network of a level with so many of all channels: its share, rounded up to a multiple of 8."""
    return min(width, -(-width * channels // all_channels // 8) * 8)


class Level(nn.Module):
    """Features of a level to the source, the target and the likelihood map [N, H, W]; `width` gives the width of
    a network of the level."""

    def __init__(self, settings, permutations, width, part):
        super().__init__()
        whitening = settings["whitening"]
        self.whitening = (
            Whitening(whitening, part("whitening")) if whitening else nn.Identity()
        )
        permutations = torch.tensor(permutations)
        channels = permutations.shape[1]
        flow, bmr = settings["flow"], settings["bmr"]
        hidden = width(flow["hidden"], channels)
        self.flow = Flow(
            channels, hidden, flow["kernel"], flow["couplings"], flow["clamp"], permutations
        )
        self.flow.load_state_dict(part("flow"))
        latent, inner = width(bmr["latent"], channels), width(bmr["inner"], channels)
        self.bmr = Bmr(channels, latent, inner, bmr["blocks"])
        self.bmr.load_state_dict(part("bmr"))

    def forward(self, y):
        y = self.whitening(y)
        z, log_det = self.flow(y)
        source, target = bmr_maps(y, z, *self.bmr(y, z))
        return source, target, flow_map(z, log_det)


class Detector(nn.Module):
    """Images [N, 3, S, S] from 0 to 1 to the maps of each level, one after the other."""

    def __init__(self, path):
        super().__init__()
        tensors, metadata = read_model(path)
        metadata = json.loads(metadata)
        self.config = config = metadata["config"]
        state = load(tensors["backbone"].numpy().tobytes())
        settings = config["system"]["nf-bmr"]
        pyramid = settings["scales"] == "pyramid"
        self.backbone = Backbone(config["backbone"], config["earlier_blocks"], pyramid, state)
        permutations = metadata["constants"]["permutations"]
        width = lambda width, channels: level_width(width, channels, len(permutations[-1][0]))
        self.levels = nn.ModuleList()
        for index, own in enumerate(permutations):
            part = lambda network: {
                name.removeprefix(f"{network}.{index}."): value
                for name, value in tensors.items()
                if name.startswith(f"{network}.{index}.")
            }
            self.levels.append(Level(settings, own, width, part))
        self.eval()
        for parameter in self.parameters():
            parameter.requires_grad_(False)

    def forward(self, x):
        maps = [level(y) for level, y in zip(self.levels, self.backbone(x))]
        return tuple(map for level in maps for map in level)
