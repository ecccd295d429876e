"""Turns the images of MVTec-like categories, and their masks with them: parts that lie in any direction.

python turn.py out/generated out/quarter gear flange bracket
python turn.py out/generated out/turned gear flange bracket --any-angle
"""

import argparse
import hashlib
import random
from pathlib import Path

import numpy as np
from PIL import Image


def border_colour(image):
    """The median of the first and last rows, which shows the background of a generated part."""
    values = np.asarray(image)
    rows = np.concatenate([values[:8].reshape(-1, 3), values[-8:].reshape(-1, 3)])
    return tuple(int(value) for value in np.median(rows, 0))


def turn(image, rng, is_mask, any_angle):
    if not any_angle:
        return image.rotate(90 * rng.randrange(4))
    angle = rng.uniform(0, 360)
    shift = [rng.uniform(-0.06, 0.06) * side for side in image.size]
    if is_mask:
        return image.rotate(angle, Image.NEAREST, translate=shift)
    image = image.convert("RGB")
    return image.rotate(angle, Image.BICUBIC, translate=shift, fillcolor=border_colour(image))


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("source", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("category", nargs="+")
    parser.add_argument("--any-angle", action="store_true", help="and shifted, in place of quarter turns")
    arguments = parser.parse_args()
    for category in arguments.category:
        for path in sorted((arguments.source / category).rglob("*.png")):
            relative = path.relative_to(arguments.source)
            is_mask = "ground_truth" in relative.parts
            # A mask turns with its image.
            key = f"/{relative}".replace("ground_truth", "test").replace("_mask", "")
            rng = random.Random(int(hashlib.md5(key.encode()).hexdigest()[:8], 16))
            target = arguments.out / relative
            target.parent.mkdir(parents=True, exist_ok=True)
            turn(Image.open(path), rng, is_mask, arguments.any_angle).save(target)


if __name__ == "__main__":
    main()
