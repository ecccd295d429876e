"""Images of parts, drawn: a disc with a notch on a bright ground, and a scratch across it where there is a defect."""

import numpy as np
from PIL import Image


def part(size, seed, defect=False, colour=(60, 90, 140)):
    """An image [H, W, 3] of 8 bits, which looks alike at any size."""
    width, height = size
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    u, v = 2 * (x + 0.5) / width - 1, 2 * (y + 0.5) / height - 1
    du, dv = random.uniform(-0.03, 0.03, 2)
    u, v = u - du, v - dv
    radius = np.hypot(u, v)
    inside = lambda distance: np.clip(20 * distance, 0, 1)[..., None]
    disc = inside(0.7 - radius) * (1 - inside(np.minimum(0.15 - abs(u), -0.4 - v)))
    image = 200 + disc * (np.array(colour) - 200.0)
    image += inside(0.25 - radius) * (np.array([170, 150, 90]) - image)
    for _ in range(6):
        a, b, phase = random.uniform(-15, 15), random.uniform(-15, 15), random.uniform(0, 7)
        image += random.uniform(1, 6) * np.sin(a * u + b * v + phase)[..., None]
    if defect:
        angle = random.uniform(0, np.pi)
        scratch = inside(0.06 - abs(np.cos(angle) * (u - 0.2) + np.sin(angle) * v)) * disc
        image += scratch * (np.array([235, 60, 60]) - image)
    return np.clip(np.round(image), 0, 255).astype(np.uint8)


def save(image, path):
    """8 bits as PNG, 16 bits as PPM."""
    if image.dtype == np.uint8:
        Image.fromarray(image).save(path)
        return
    height, width, _ = image.shape
    with open(path, "wb") as file:
        file.write(b"P6 %d %d 65535\n" % (width, height) + image.astype(">u2").tobytes())
