"""Trains the flow and the mapping networks on cached backbone features and scores a test set.

    pip install torch safetensors numpy scikit-learn
    python train.py FEATURES.safetensors CONFIG.json --seed N --json OUT.json

FEATURES holds `train.0` [N, C, H, W] and `test.0` [M, C, H, W], both f32, of the first level, `train.1` and `test.1` of the
second and so on, the finest first, and `label` [M], u8 with 1 for a defective image. CONFIG is a pipeline configuration; both files come from the Rust example
`export_features`. Of its `system`, which is `nf-bmr`, `flow`, `flow_training`, `bmr`, `bmr_training`, `fusion` and
`pooling` are used; epsilon, weight decay and clipping are those of the method.

`fusion` is "plain", "normalized" or "with_likelihood"; `pooling` is "max", "mean", "std" or {"top_fraction": 0.05}.
One line per epoch goes to standard error. OUT receives the seed, the image AUROC of the flow's
own score, of both directions and of their fusion, the training time, and the last losses.

The same seed gives the same result on the same machine and version of PyTorch.
"""

import argparse
import json
import sys
import time

import torch
from safetensors.torch import load_file
from sklearn.metrics import roc_auc_score

from nf_bmr import Bmr, Flow, bmr_maps, flow_map, pool, train_bmr, train_flow


def batched(function, *tensors, batch_size):
    """Applies `function` to slices of the tensors, without gradients, and joins its results."""
    with torch.no_grad():
        parts = [function(*slices) for slices in zip(*(t.split(batch_size) for t in tensors))]
    return [torch.cat(results) for results in zip(*parts)]


def reporter(phase, epochs):
    """A callback that prints each epoch's loss and duration."""
    last = time.perf_counter()

    def on_epoch(epoch, loss):
        nonlocal last
        now = time.perf_counter()
        print(f"{phase} {epoch + 1}/{epochs} loss {loss:.6f} {now - last:.3f} s", file=sys.stderr)
        last = now

    return on_epoch


def fuse(maps, units, fusion):
    """Averages the two directions, each in its own unit when so configured, and the flow's negative log-likelihood
    when so configured."""
    names = ["source", "target"] + ["flow"] * (fusion == "with_likelihood")
    if fusion == "plain":
        return sum(maps[name] for name in names) / 2
    if fusion in ("normalized", "with_likelihood"):
        return sum(maps[name] / units[name] for name in names) / len(names)
    raise ValueError(f"unknown fusion: {fusion!r}")


def run_level(train, test, config, generator, layout, level):
    """Trains on the features of a level; maps of the test images and their units by name, and the last losses."""
    channels = train.shape[1]
    options = config["flow"] | config["flow_training"]
    flow = Flow(
        channels, options["hidden"], options["kernel"], options["couplings"], options["clamp"]
    )
    flow = flow.to(memory_format=layout)
    flow_loss_last = train_flow(
        flow,
        train,
        options["epochs"],
        options["batch_size"],
        options["learning_rate"],
        options["schedule"],
        generator,
        reporter(f"level {level} flow", options["epochs"]),
    )
    train_z, _ = batched(flow, train, batch_size=options["batch_size"])

    options = config["bmr"] | config["bmr_training"]
    bmr = Bmr(channels, options["latent"], options["inner"], options["blocks"])
    bmr = bmr.to(memory_format=layout)
    bmr_loss_last = train_bmr(
        bmr,
        train,
        train_z.contiguous(memory_format=layout),
        options["epochs"],
        options["batch_size"],
        options["learning_rate"],
        options["schedule"],
        generator,
        reporter(f"level {level} bmr", options["epochs"]),
    )

    def score(y):
        z, log_det = flow(y)
        return flow_map(z, log_det), *bmr_maps(y, z, *bmr(y, z))

    _, train_source, train_target = batched(score, train, batch_size=options["batch_size"])
    own, source, target = batched(score, test, batch_size=options["batch_size"])
    maps = {"flow": own, "source": source, "target": target}
    units = {"flow": channels / 2, "source": train_source.mean(), "target": train_target.mean()}
    return maps, units, (flow_loss_last, bmr_loss_last)


def run(features, config, seed, memory_format):
    generator = torch.Generator().manual_seed(seed)
    torch.manual_seed(seed)
    labels = features["label"].numpy()
    start = time.perf_counter()
    losses = []
    for level in range(sum(name.startswith("train.") for name in features)):
        train, test = (
            features[f"{name}.{level}"].float().contiguous(memory_format=memory_format)
            for name in ("train", "test")
        )
        maps, units, last = run_level(train, test, config, generator, memory_format, level)
        losses.append(last)
    # The coarsest level, the last, gives the score.
    maps["fused"] = fuse(maps, units, config["fusion"])
    return {
        "seed": seed,
        "auroc": {
            name: float(roc_auc_score(labels, pool(values, config["pooling"]).numpy()))
            for name, values in maps.items()
        },
        "train_and_score_s": time.perf_counter() - start,
        "flow_loss_last": [flow for flow, _ in losses],
        "bmr_loss_last": [bmr for _, bmr in losses],
    }


def main():
    parser = argparse.ArgumentParser(description="Train and score on cached features.")
    parser.add_argument("features")
    parser.add_argument("config")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", required=True, help="output file")
    parser.add_argument("--layout", choices=("nchw", "nhwc"), default="nhwc")
    arguments = parser.parse_args()

    torch.set_num_threads(2)
    torch.use_deterministic_algorithms(True)
    with open(arguments.config, encoding="utf-8") as file:
        config = json.load(file)["system"]["nf-bmr"]
    layout = torch.channels_last if arguments.layout == "nhwc" else torch.contiguous_format
    result = run(load_file(arguments.features), config, arguments.seed, layout)
    with open(arguments.json, "w", encoding="utf-8") as file:
        json.dump(result, file, indent=2)
        file.write("\n")
    print(json.dumps(result), file=sys.stderr)


if __name__ == "__main__":
    main()
