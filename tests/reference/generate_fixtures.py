"""Writes the fixtures that the Rust tests of the flow and of the mapping networks compare with.

    pip install torch safetensors numpy scikit-learn
    python generate_fixtures.py [--out DIRECTORY]

The files go beside this script by default. Before it writes anything the script checks the
reference itself: the flow's log-determinant against the determinant of its Jacobian, its
inverse, and that each fixture exercises what it is meant to. It repeats each run in double
precision and records how far the single-precision values lie from it, in the metadata: a
tolerance much tighter than that gap asks for the same rounding, not for the same mathematics.
"""

import argparse
import copy
import json
import math
import pathlib

import torch
from safetensors.torch import save

from nf_bmr import Bmr, Bpfm, ConvNorm, Flow
from nf_bmr import bmr_losses, bmr_optimizer, bmr_step, bpfm_loss, bpfm_step
from nf_bmr import flow_loss, flow_optimizer, flow_step

STEPS, BATCH, HEIGHT, WIDTH = 10, 2, 5, 6
SIZE_LIMIT = 300_000


def parameters(module, prefix):
    return {f"{prefix}.{name}": value.detach().clone() for name, value in module.named_parameters()}


def state(module, prefix):
    """Parameters and running statistics; PyTorch's count of batches has no use here."""
    entries = module.state_dict().items()
    return {f"{prefix}.{k}": v.clone() for k, v in entries if not k.endswith("batches_tracked")}


def load(module, tensors, prefix):
    """Gives `module` the parameters stored under `prefix`, in the module's own precision."""
    state = {k[len(prefix) + 1 :]: v for k, v in tensors.items() if k.startswith(prefix + ".")}
    module.load_state_dict(state)
    return module


def gap(single, double):
    """Largest difference, relative to the largest magnitude of the double-precision tensor."""
    scale = double.abs().max().clamp_min(1e-30)
    return ((single.double() - double).abs().max() / scale).item()


def gap_of_parameters(single, double, prefix):
    """Largest absolute difference between stored parameters and those of a double module."""
    return max(
        (single[f"{prefix}.{name}"].double() - value.detach()).abs().max().item()
        for name, value in double.named_parameters()
    )


def canonical(data):
    """The same safetensors file with its metadata sorted; the library writes them in any order."""
    end = 8 + int.from_bytes(data[:8], "little")
    header = json.loads(data[8:end])
    header["__metadata__"] = dict(sorted(header["__metadata__"].items()))
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + data[end:]


def write(directory, name, tensors, metadata):
    path = directory / f"{name}.safetensors"
    tensors = {key: value.detach().contiguous() for key, value in tensors.items()}
    for key, value in tensors.items():
        assert torch.isfinite(value).all(), key
    strings = {key: str(value) for key, value in metadata.items()}
    path.write_bytes(canonical(save(tensors, metadata=strings)))
    size = path.stat().st_size
    assert size < SIZE_LIMIT, f"{path.name} has {size} bytes"
    print(f"{path.name}: {size} bytes")
    for key, value in metadata.items():
        print(f"    {key}: {value}")


# ---------------------------------------------------------------------------------------------
# Flow
# ---------------------------------------------------------------------------------------------


def randomize_flow(flow):
    """Moves a fresh flow away from the identity.

    Every gamma becomes non-zero, of either sign. One subnetwork, in the second coupling, gets
    weights so large that its log-scales approach the bounds of the clamp; its shifts are kept
    moderate, which keeps z and the gradients in a range single precision handles well.
    """
    with torch.no_grad():
        for coupling in flow.couplings:
            for subnet in (coupling.first, coupling.second):
                sign = 1.0 if torch.rand(()) < 0.5 else -1.0
                subnet.gamma.fill_(sign * 0.3 * (0.5 + torch.rand(()).item()))
        subnet = flow.couplings[1].first
        subnet.gamma.mul_(12.0)
        subnet.conv1.weight.mul_(3.0)
        subnet.conv2.weight.mul_(3.0)
        shifts = subnet.conv2.out_channels // 2
        subnet.conv2.weight[shifts:].mul_(0.1)
        subnet.conv2.bias[shifts:].mul_(0.1)


def largest_log_scale(flow, y):
    found = []
    hooks = [
        subnet.register_forward_hook(lambda _m, _i, out: found.append(out[0].abs().max().item()))
        for coupling in flow.couplings
        for subnet in (coupling.first, coupling.second)
    ]
    with torch.no_grad():
        flow(y)
    for hook in hooks:
        hook.remove()
    return max(found)


def check_flow(flow, y):
    """The log-determinant equals that of the full Jacobian, and the inverse is one."""
    for image in y.split(1):
        dimensions = image.numel()
        jacobian = torch.autograd.functional.jacobian(lambda x: flow(x)[0], image)
        exact = torch.linalg.slogdet(jacobian.reshape(dimensions, dimensions)).logabsdet
        with torch.no_grad():
            z, log_det = flow(image)
            assert abs(exact - log_det.sum()) < 1e-8 * dimensions, (exact, log_det.sum())
            assert gap(flow.inverse(z), image) < 1e-8


def double_flow(tensors, config):
    flow = Flow(**config, permutations=tensors["permutations"]).double()
    return load(flow, tensors, "init")


def flow_forward(flow, y):
    with torch.no_grad():
        z, log_det = flow(y)
        return {"z0": z, "log_det0": log_det, "loss0": flow_loss(z, log_det)}


def flow_steps(directory):
    torch.manual_seed(9)
    config = dict(channels=7, hidden=16, kernel=3, couplings=4, clamp=3.0)
    flow = Flow(**config)
    randomize_flow(flow)
    # The amplitudes make some gradients shorter and some longer than the clipping norm.
    amplitudes = torch.tensor([1.0, 0.3, 0.5, 0.1, 1.5, 0.2, 1.0, 0.4, 0.7, 0.2])
    batches = torch.randn(STEPS, BATCH, config["channels"], HEIGHT, WIDTH)
    batches *= amplitudes.view(STEPS, 1, 1, 1, 1)

    tensors = {"permutations": flow.permutations.clone(), "batches": batches}
    tensors |= parameters(flow, "init")
    tensors |= flow_forward(flow, batches[0])
    scale = largest_log_scale(flow, batches[0])

    optimizer = flow_optimizer(flow)
    losses, norms = zip(*(flow_step(flow, optimizer, y) for y in batches))
    tensors |= {"losses": torch.stack(losses), "grad_norms": torch.stack(norms)}
    tensors |= parameters(flow, "final")

    twin = double_flow(tensors, config)
    check_flow(twin, batches[0].double())
    forward = flow_forward(twin, batches[0].double())
    optimizer = flow_optimizer(twin)
    double_losses, double_norms = zip(*(flow_step(twin, optimizer, y) for y in batches.double()))

    norms = tensors["grad_norms"]
    bound = config["clamp"] * 0.636 * math.pi / 2
    log_det = tensors["log_det0"].sum(dim=(1, 2))
    assert (norms > 1.1).any() and (norms < 0.9).any()
    assert scale > 0.9 * bound
    assert (log_det.abs() > 1.0).all()
    assert torch.equal(tensors["losses"][0], tensors["loss0"])
    write(
        directory,
        "flow_steps",
        tensors,
        config
        | dict(learning_rate=2e-4, eps=1e-4, weight_decay=1e-5, max_norm=1.0, steps=STEPS)
        | dict(
            largest_log_scale=round(scale, 4),
            log_scale_bound=round(bound, 4),
            log_det_per_image=[round(value, 3) for value in log_det.tolist()],
            grad_norms=[round(value, 3) for value in norms.tolist()],
            losses=[round(value, 4) for value in tensors["losses"].tolist()],
            f64_gap_z0=f"{gap(tensors['z0'], forward['z0']):.1e}",
            f64_gap_log_det0=f"{gap(tensors['log_det0'], forward['log_det0']):.1e}",
            f64_gap_losses=f"{gap(tensors['losses'], torch.stack(double_losses)):.1e}",
            f64_gap_grad_norms=f"{gap(norms, torch.stack(double_norms)):.1e}",
            f64_gap_final_absolute=f"{gap_of_parameters(tensors, twin, 'final'):.1e}",
        ),
    )


def flow_k1(directory):
    torch.manual_seed(3)
    config = dict(channels=6, hidden=16, kernel=1, couplings=4, clamp=3.0)
    flow = Flow(**config)
    randomize_flow(flow)
    y = torch.randn(BATCH, config["channels"], HEIGHT, WIDTH)
    tensors = {"permutations": flow.permutations.clone(), "y": y}
    tensors |= parameters(flow, "init")
    tensors |= flow_forward(flow, y)

    twin = double_flow(tensors, config)
    check_flow(twin, y.double())
    forward = flow_forward(twin, y.double())
    log_det = tensors["log_det0"].sum(dim=(1, 2))
    assert (log_det.abs() > 1.0).all()
    write(
        directory,
        "flow_k1",
        tensors,
        config
        | dict(
            log_det_per_image=[round(value, 3) for value in log_det.tolist()],
            loss0=round(tensors["loss0"].item(), 5),
            f64_gap_z0=f"{gap(tensors['z0'], forward['z0']):.1e}",
            f64_gap_log_det0=f"{gap(tensors['log_det0'], forward['log_det0']):.1e}",
        ),
    )


# ---------------------------------------------------------------------------------------------
# Mapping networks
# ---------------------------------------------------------------------------------------------


def randomize_bmr(bmr):
    """Enlarges the weights of the residual blocks, so that each one matters to the output."""
    with torch.no_grad():
        for name, value in bmr.named_parameters():
            if ".conv" in name and name.endswith("weight"):
                value.mul_(1.7)


def check_bmr(bmr, y, z):
    """Leaving out any one residual block changes the output of its direction noticeably."""
    with torch.no_grad():
        y_hat, z_hat = bmr(y, z)
        blocks = [bmr.shared]
        for mapping in (bmr.target, bmr.source):
            blocks += [*mapping.before, *mapping.after]
        for block in blocks:
            forward, block.forward = block.forward, lambda x: x
            without = bmr(y, z)
            block.forward = forward
            change = max(gap(without[0], y_hat.double()), gap(without[1], z_hat.double()))
            assert change > 0.02, change


def bmr_forward(bmr, y, z):
    """Outputs and losses, and the gradients of the block that both directions share."""
    y_hat, z_hat = bmr(y, z)
    source, target = bmr_losses(y, z, y_hat, z_hat)
    loss = source + target
    shared = dict(bmr.shared.named_parameters())
    gradients = torch.autograd.grad(loss, list(shared.values()))
    tensors = {
        "y_hat0": y_hat,
        "z_hat0": z_hat,
        "loss0": loss,
        "loss0_source": source,
        "loss0_target": target,
    }
    tensors |= {f"grad0.shared.{name}": value for name, value in zip(shared, gradients)}
    return {key: value.detach() for key, value in tensors.items()}


def bmr_fixture(directory, name, blocks, seed, steps):
    torch.manual_seed(seed)
    config = dict(channels=7, latent=16, inner=8, blocks=blocks)
    bmr = Bmr(**config)
    randomize_bmr(bmr)
    # Raw features vary more than the latent variables of a trained flow; so do these.
    shape = (max(steps, 1), BATCH, config["channels"], HEIGHT, WIDTH)
    y, z = 2.0 * torch.randn(shape), torch.randn(shape)
    check_bmr(bmr, y[0], z[0])

    tensors = {"y": y if steps else y[0], "z": z if steps else z[0]}
    tensors |= parameters(bmr, "init")
    tensors |= bmr_forward(bmr, y[0], z[0])
    twin = load(Bmr(**config).double(), tensors, "init")
    forward = bmr_forward(twin, y[0].double(), z[0].double())
    metadata = config | dict(
        loss0=round(tensors["loss0"].item(), 5),
        f64_gap_y_hat0=f"{gap(tensors['y_hat0'], forward['y_hat0']):.1e}",
        f64_gap_z_hat0=f"{gap(tensors['z_hat0'], forward['z_hat0']):.1e}",
    )
    if steps:
        optimizer = bmr_optimizer(bmr)
        losses = torch.stack([bmr_step(bmr, optimizer, *batch) for batch in zip(y, z)])
        assert torch.equal(losses[0], tensors["loss0"])
        tensors |= {"losses": losses}
        tensors |= parameters(bmr, "final")
        optimizer = bmr_optimizer(twin)
        batches = zip(y.double(), z.double())
        double_losses = torch.stack([bmr_step(twin, optimizer, *batch) for batch in batches])
        metadata |= dict(
            learning_rate=3e-4,
            eps=1e-8,
            weight_decay=1e-5,
            steps=steps,
            losses=[round(value, 4) for value in losses.tolist()],
            f64_gap_losses=f"{gap(losses, double_losses):.1e}",
            f64_gap_final_absolute=f"{gap_of_parameters(tensors, twin, 'final'):.1e}",
        )
    write(directory, name, tensors, metadata)


# ---------------------------------------------------------------------------------------------
# Pre-trained feature mapping
# ---------------------------------------------------------------------------------------------


def randomize_bpfm(bpfm):
    """Moves the batch normalisations away from the identity, running statistics included.

    A normalisation takes away the biases before it, the shared one included, which only passes
    through another convolution: but for weight decay their gradients are rounding, which Adam
    follows as readily. They are made so large that the weight decay rules.
    """
    layers = [module for module in bpfm.modules() if isinstance(module, ConvNorm)]
    for bias in [bpfm.shared.bias] + [layer.conv.bias for layer in layers]:
        torch.nn.init.uniform_(bias, 0.5, 1.5)
        bias.data *= torch.randn(len(bias)).sign()
    for norm in [layer.norm for layer in layers]:
        torch.nn.init.uniform_(norm.weight, 0.5, 1.5)
        torch.nn.init.uniform_(norm.bias, -0.3, 0.3)
        norm.running_mean.uniform_(-0.3, 0.3)
        norm.running_var.uniform_(0.1, 1.0)


def double_bpfm(tensors, config):
    twin = Bpfm(**config)
    loaded = {k[len("init.") :]: v for k, v in tensors.items() if k.startswith("init.")}
    missing, unexpected = twin.load_state_dict(loaded, strict=False)
    assert not unexpected and all(name.endswith("batches_tracked") for name in missing)
    return twin.double()


def bpfm_maps(bpfm, y, z, suffix):
    """The features compared, and their images where the direction exists."""
    with torch.no_grad():
        y_hat, z_hat = bpfm(y, z)
        tensors = {"y": bpfm.features(y), "z": bpfm.features(z), "y_hat": y_hat, "z_hat": z_hat}
        return {f"{k}_{suffix}": v.clone() for k, v in tensors.items() if v is not None}


def bpfm_gradients(bpfm, y, z):
    """The loss of the first batch in training mode and the gradients of all parameters."""
    names, values = zip(*bpfm.named_parameters())
    loss = bpfm_loss(bpfm, y, z)
    gradients = torch.autograd.grad(loss, values)
    return {"loss0": loss.detach()} | {f"grad0.{k}": v for k, v in zip(names, gradients)}


def bpfm_run(bpfm, y, z):
    """Everything the fixture holds of a network in its initial state, which it changes."""
    tensors = bpfm_maps(bpfm.eval(), y[0], z[0], "eval_init")
    before = copy.deepcopy(bpfm.state_dict())
    bpfm.train()
    tensors |= bpfm_maps(bpfm, y[0], z[0], "train") | bpfm_gradients(bpfm, y[0], z[0])
    # Each forward pass in training mode moved the running statistics.
    bpfm.load_state_dict(before)
    optimizer = bmr_optimizer(bpfm)
    losses = torch.stack([bpfm_step(bpfm, optimizer, *batch) for batch in zip(y, z)])
    assert torch.equal(losses[0], tensors["loss0"])
    tensors |= {"losses": losses} | state(bpfm, "final")
    return tensors | bpfm_maps(bpfm.eval(), y[0], z[0], "eval_final")


def bpfm_fixture(directory, name, seed, config):
    torch.manual_seed(seed)
    bpfm = Bpfm(**config)
    randomize_bpfm(bpfm)
    # Far from the origin and of another scale in each channel, as features after a ReLU are.
    shape = (STEPS, BATCH, config["source_channels"], HEIGHT, WIDTH)
    y = 2.0 * torch.rand(shape[2]).view(-1, 1, 1) * torch.randn(shape).abs()
    z = 0.5 + torch.randn(shape[:2] + (config["target_channels"],) + shape[3:])
    inputs = {"y": y, "z": z} | state(bpfm, "init")
    twin = double_bpfm(inputs, config)
    tensors, double = bpfm_run(bpfm, y, z), bpfm_run(twin, y.double(), z.double())

    # Training and inference differ, and training changes what inference gives.
    z_hats = [tensors[f"z_hat_{suffix}"] for suffix in ("train", "eval_init", "eval_final")]
    assert gap(z_hats[0], z_hats[1].double()) > 0.05
    assert gap(z_hats[1], z_hats[2].double()) > 0.05

    def largest(keys, measure):
        return f"{max(measure(tensors[key], double[key]) for key in keys):.1e}"

    gradients = [key for key in double if key.startswith("grad0.")]
    scale = max(double[key].abs().max() for key in gradients)
    write(
        directory,
        name,
        inputs | tensors,
        config
        | dict(
            learning_rate=3e-4,
            eps=1e-8,
            weight_decay=1e-5,
            steps=STEPS,
            losses=[round(value, 4) for value in tensors["losses"].tolist()],
            f64_gap_maps=largest([key for key in double if "_hat_" in key], gap),
            f64_gap_losses=largest(["losses"], gap),
            f64_gap_grad0=largest(
                gradients, lambda a, b: ((a.double() - b).abs().max() / scale).item()
            ),
            f64_gap_final_absolute=largest(
                [key for key in double if key.startswith("final.")],
                lambda a, b: (a.double() - b).abs().max().item(),
            ),
        ),
    )


def main():
    parser = argparse.ArgumentParser(description="Write the reference fixtures.")
    default = pathlib.Path(__file__).resolve().parent
    parser.add_argument("--out", type=pathlib.Path, default=default, help="output directory")
    directory = parser.parse_args().out
    directory.mkdir(parents=True, exist_ok=True)
    torch.set_num_threads(1)
    torch.use_deterministic_algorithms(True)

    flow_steps(directory)
    flow_k1(directory)
    bmr_fixture(directory, "bmr_steps", blocks=2, seed=4, steps=STEPS)
    bmr_fixture(directory, "bmr_n1", blocks=1, seed=5, steps=0)
    bmr_fixture(directory, "bmr_n3", blocks=3, seed=6, steps=0)
    bpfm = dict(source_channels=7, target_channels=5, latent=6, both=True, l2_normalize=True)
    bpfm_fixture(directory, "bpfm_steps", seed=6, config=bpfm)
    pfm = dict(source_channels=5, target_channels=8, latent=4, both=False, l2_normalize=False)
    bpfm_fixture(directory, "pfm_steps", seed=8, config=pfm)


if __name__ == "__main__":
    main()
