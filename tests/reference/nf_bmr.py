"""The flow and the mapping networks in PyTorch.

An independent transcription of the trainable parts of the detectors, written from the
equations and not from the Rust code, so that the two can be compared value by value. The
parameter names are the ones the Rust side loads.

    pip install torch safetensors numpy scikit-learn

This file is a module: see `generate_fixtures.py` and `train.py` for its uses.
"""

import math

import torch
from torch import nn
from torch.nn import functional as F


# ---------------------------------------------------------------------------------------------
# Target flow (RealNVP)
# ---------------------------------------------------------------------------------------------


class Subnet(nn.Module):
    """Predicts the log-scale and the shift of `outputs` channels from `inputs` channels.

    `gamma` starts at zero, so that an untrained coupling only permutes channels.
    """

    def __init__(self, inputs, outputs, hidden, kernel, clamp):
        super().__init__()
        self.clamp = clamp
        self.conv1 = nn.Conv2d(inputs, hidden, kernel, padding=kernel // 2)
        self.conv2 = nn.Conv2d(hidden, 2 * outputs, kernel, padding=kernel // 2)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, condition):
        raw = self.gamma * self.conv2(F.leaky_relu(self.conv1(condition), 0.1))
        scale_raw, shift = raw.chunk(2, dim=1)
        scale = self.clamp * 0.636 * torch.atan(scale_raw / self.clamp)
        return scale, shift


class Coupling(nn.Module):
    """One coupling block on channels that have already been permuted.

    With an odd number of channels the second half gets the extra one. The second step is
    conditioned on the transformed half, which keeps the block invertible in closed form.
    """

    def __init__(self, channels, hidden, kernel, clamp):
        super().__init__()
        self.half = channels // 2
        rest = channels - self.half
        self.first = Subnet(self.half, rest, hidden, kernel, clamp)
        self.second = Subnet(rest, self.half, hidden, kernel, clamp)

    def forward(self, y):
        y1, y2 = y[:, : self.half], y[:, self.half :]
        scale1, shift1 = self.first(y1)
        z2 = torch.exp(scale1) * y2 + shift1
        scale2, shift2 = self.second(z2)
        z1 = torch.exp(scale2) * y1 + shift2
        log_det = scale1.sum(dim=1) + scale2.sum(dim=1)
        return torch.cat([z1, z2], dim=1), log_det

    def inverse(self, z):
        z1, z2 = z[:, : self.half], z[:, self.half :]
        scale2, shift2 = self.second(z2)
        y1 = (z1 - shift2) * torch.exp(-scale2)
        scale1, shift1 = self.first(y1)
        y2 = (z2 - shift1) * torch.exp(-scale1)
        return torch.cat([y1, y2], dim=1)


class Flow(nn.Module):
    """Couplings, each preceded by its fixed channel permutation.

    `permutations` is an int64 tensor [couplings, channels]: the input of coupling `i` is
    `y[:, permutations[i]]`. It is drawn from torch's global generator when left out, and is not
    part of the `state_dict`.
    """

    def __init__(self, channels, hidden, kernel, couplings=4, clamp=3.0, permutations=None):
        super().__init__()
        if permutations is None:
            permutations = torch.stack([torch.randperm(channels) for _ in range(couplings)])
        if tuple(permutations.shape) != (couplings, channels):
            raise ValueError(f"permutations must be [{couplings}, {channels}]")
        self.register_buffer("permutations", permutations, persistent=False)
        self.couplings = nn.ModuleList(
            Coupling(channels, hidden, kernel, clamp) for _ in range(couplings)
        )

    def forward(self, y):
        """Returns z [B, C, H, W] and the log-determinant per position [B, H, W].

        The sum of the latter over the positions of one image is log|det dz/dy|.
        """
        log_det = 0.0
        for permutation, coupling in zip(self.permutations, self.couplings):
            y, part = coupling(y.index_select(1, permutation))
            log_det = log_det + part
        return y, log_det

    def inverse(self, z):
        for permutation, coupling in zip(
            reversed(self.permutations.unbind()), reversed(self.couplings)
        ):
            z = coupling.inverse(z).index_select(1, torch.argsort(permutation))
        return z


def flow_loss(z, log_det):
    """Negative log-likelihood per dimension, without its constant; the mean over the batch."""
    per_image = 0.5 * z.square().sum(dim=(1, 2, 3)) - log_det.sum(dim=(1, 2))
    return (per_image / z[0].numel()).mean()


def flow_optimizer(flow, learning_rate=2e-4):
    return torch.optim.Adam(flow.parameters(), lr=learning_rate, eps=1e-4, weight_decay=1e-5)


def flow_step(flow, optimizer, y):
    """One training step. Returns the loss and the gradient norm, both before the update.

    The norm is taken over all parameters together and is clipped to 1.
    """
    optimizer.zero_grad(set_to_none=True)
    loss = flow_loss(*flow(y))
    loss.backward()
    norm = nn.utils.clip_grad_norm_(flow.parameters(), max_norm=1.0)
    optimizer.step()
    return loss.detach(), norm.detach()


# ---------------------------------------------------------------------------------------------
# Bidirectional mapping
# ---------------------------------------------------------------------------------------------


class ResidualBlock(nn.Module):
    """1x1, 3x3 and 1x1 convolutions, a ReLU after each, plus the identity."""

    def __init__(self, latent, inner):
        super().__init__()
        self.conv1 = nn.Conv2d(latent, inner, 1)
        self.conv2 = nn.Conv2d(inner, inner, 3, padding=1)
        self.conv3 = nn.Conv2d(inner, latent, 1)

    def forward(self, x):
        return x + F.relu(self.conv3(F.relu(self.conv2(F.relu(self.conv1(x))))))


class Mapping(nn.Module):
    """One direction. The shared block belongs to `Bmr` and is passed in at each call."""

    def __init__(self, channels, latent, inner, blocks):
        super().__init__()
        self.input = nn.Conv2d(channels, latent, 1)
        self.before = nn.ModuleList(ResidualBlock(latent, inner) for _ in range(blocks))
        self.after = nn.ModuleList(ResidualBlock(latent, inner) for _ in range(blocks))
        self.output = nn.Conv2d(latent, channels, 1)

    def forward(self, x, shared):
        x = self.input(x)
        for block in self.before:
            x = block(x)
        x = shared(x)
        for block in self.after:
            x = block(x)
        return self.output(x)


class Bmr(nn.Module):
    """`target` maps y to z_hat, `source` maps z to y_hat; one residual block serves both."""

    def __init__(self, channels, latent, inner, blocks):
        super().__init__()
        self.target = Mapping(channels, latent, inner, blocks)
        self.source = Mapping(channels, latent, inner, blocks)
        self.shared = ResidualBlock(latent, inner)

    def forward(self, y, z):
        """Returns (y_hat, z_hat)."""
        return self.source(z, self.shared), self.target(y, self.shared)


def bmr_losses(y, z, y_hat, z_hat):
    """The source and the target part of the loss; training minimises their sum."""
    return F.mse_loss(y_hat, y), F.mse_loss(z_hat, z)


def bmr_optimizer(bmr, learning_rate=3e-4):
    return torch.optim.Adam(bmr.parameters(), lr=learning_rate, eps=1e-8, weight_decay=1e-5)


def bmr_step(bmr, optimizer, y, z):
    """One training step. Returns the loss before the update; gradients are not clipped."""
    optimizer.zero_grad(set_to_none=True)
    source, target = bmr_losses(y, z, *bmr(y, z))
    loss = source + target
    loss.backward()
    optimizer.step()
    return loss.detach()


# ---------------------------------------------------------------------------------------------
# Pre-trained feature mapping (PFM and B-PFM)
# ---------------------------------------------------------------------------------------------


class ConvNorm(nn.Module):
    """A 1x1 convolution, batch normalisation and a ReLU."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.conv = nn.Conv2d(inputs, outputs, 1)
        self.norm = nn.BatchNorm2d(outputs)

    def forward(self, x):
        return F.relu(self.norm(self.conv(x)))


class PointwiseMapping(nn.Module):
    """One direction. The third, shared convolution belongs to `Bpfm` and is passed in."""

    def __init__(self, inputs, outputs, latent):
        super().__init__()
        self.conv1 = ConvNorm(inputs, inputs // 2 + latent)
        self.conv2 = ConvNorm(inputs // 2 + latent, 2 * latent)
        self.conv4 = ConvNorm(latent, outputs // 2 + latent)
        self.conv5 = nn.Conv2d(outputs // 2 + latent, outputs, 1)

    def forward(self, x, shared):
        return self.conv5(self.conv4(shared(self.conv2(self.conv1(x)))))


class Bpfm(nn.Module):
    """B-PFM, or with `both=False` PFM, which has no `source` direction.

    Source and target features may differ in their channels. With `l2_normalize` they are
    divided by their norm over the channels first, and the loss compares the results.
    """

    def __init__(self, source_channels, target_channels, latent, both, l2_normalize):
        super().__init__()
        self.l2_normalize = l2_normalize
        self.target = PointwiseMapping(source_channels, target_channels, latent)
        self.source = PointwiseMapping(target_channels, source_channels, latent) if both else None
        self.shared = nn.Conv2d(2 * latent, latent, 1)

    def features(self, x):
        return F.normalize(x, dim=1) if self.l2_normalize else x

    def forward(self, y, z):
        """Returns (y_hat, z_hat) of y and z as `features` gives them; a PFM's y_hat is None."""
        y, z = self.features(y), self.features(z)
        y_hat = self.source(z, self.shared) if self.source else None
        return y_hat, self.target(y, self.shared)


def bpfm_loss(bpfm, y, z):
    """The mean squared error of each direction that there is, summed."""
    y_hat, z_hat = bpfm(y, z)
    loss = F.mse_loss(z_hat, bpfm.features(z))
    return loss if y_hat is None else loss + F.mse_loss(y_hat, bpfm.features(y))


def bpfm_step(bpfm, optimizer, y, z):
    """One training step in training mode. Returns the loss before the update."""
    optimizer.zero_grad(set_to_none=True)
    loss = bpfm_loss(bpfm, y, z)
    loss.backward()
    optimizer.step()
    return loss.detach()


# ---------------------------------------------------------------------------------------------
# Training loops
# ---------------------------------------------------------------------------------------------


def shuffled_batches(count, batch_size, generator):
    """Index batches of one epoch in a fresh order; the last, shorter batch is kept."""
    return torch.randperm(count, generator=generator).split(batch_size)


def learning_rates(optimizer, schedule, steps):
    """A function to call after each of the steps: the learning rate is constant, or goes by `one_cycle`."""
    if schedule == "constant":
        return lambda: None
    if schedule != "one_cycle":
        raise ValueError(f"unknown schedule: {schedule!r}")
    share = lambda step: one_cycle_share(min(step, steps - 1), steps)
    return torch.optim.lr_scheduler.LambdaLR(optimizer, share).step


def one_cycle_share(step, steps, warm_up=0.2, first=1 / 25, last=1 / 25e4):
    """The share of the highest learning rate, as `OneCycleLR(pct_start=0.2)` has it."""

    def anneal(start, end, at):
        return end + (start - end) / 2 * (1 + math.cos(math.pi * min(max(at, 0), 1)))

    top = max(warm_up * steps - 1, 0)
    if step < top:
        return anneal(first, 1, step / top)
    return anneal(1, last, (step - top) / max(steps - 1 - top, 1))


def train_flow(flow, y, epochs, batch_size, learning_rate, schedule, generator, on_epoch=None):
    """Trains on y [N, C, H, W]. Calls `on_epoch(epoch, loss)` and returns the last loss.

    The loss of an epoch is the mean over its images, each taken before the step it is part of.
    """
    optimizer = flow_optimizer(flow, learning_rate)
    next_rate = learning_rates(optimizer, schedule, epochs * -(-len(y) // batch_size))
    mean = float("nan")
    for epoch in range(epochs):
        total = 0.0
        for index in shuffled_batches(len(y), batch_size, generator):
            loss, _ = flow_step(flow, optimizer, y[index])
            next_rate()
            total += loss.item() * len(index)
        mean = total / len(y)
        if on_epoch:
            on_epoch(epoch, mean)
    return mean


def train_bmr(bmr, y, z, epochs, batch_size, learning_rate, schedule, generator, on_epoch=None):
    """Trains on y and the flow's z for the same images; otherwise like `train_flow`."""
    optimizer = bmr_optimizer(bmr, learning_rate)
    next_rate = learning_rates(optimizer, schedule, epochs * -(-len(y) // batch_size))
    mean = float("nan")
    for epoch in range(epochs):
        total = 0.0
        for index in shuffled_batches(len(y), batch_size, generator):
            loss = bmr_step(bmr, optimizer, y[index], z[index])
            next_rate()
            total += loss.item() * len(index)
        mean = total / len(y)
        if on_epoch:
            on_epoch(epoch, mean)
    return mean


# ---------------------------------------------------------------------------------------------
# Scores
# ---------------------------------------------------------------------------------------------


def flow_map(z, log_det):
    """The flow's own anomaly map [B, H, W]."""
    return 0.5 * z.square().sum(dim=1) - log_det


def bmr_maps(y, z, y_hat, z_hat):
    """The source and the target map, each [B, H, W]."""
    return (y - y_hat).square().sum(dim=1), (z - z_hat).square().sum(dim=1)


def pool(maps, pooling):
    """Image scores [B] from maps [B, H, W].

    `pooling` is "max", "mean", "std" (population) or {"top_fraction": f}: the mean of the
    ceil(f * H * W) largest values, of at least one.
    """
    flat = maps.flatten(1)
    if pooling == "max":
        return flat.amax(dim=1)
    if pooling == "mean":
        return flat.mean(dim=1)
    if pooling == "std":
        return flat.std(dim=1, correction=0)
    if isinstance(pooling, dict) and set(pooling) == {"top_fraction"}:
        # The small offset undoes rounding: 0.1 * 30 is above 3 in floating point.
        count = math.ceil(pooling["top_fraction"] * flat.shape[1] - 1e-6)
        count = min(max(count, 1), flat.shape[1])
        return flat.topk(count, dim=1).values.mean(dim=1)
    raise ValueError(f"unknown pooling: {pooling!r}")
