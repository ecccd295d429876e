"""Arranges the magnetic-tile data set (Huang, Qiu, Yuan 2018) in the layout of MVTec AD, by links.

    python magnetic_tile.py MAGNETIC-TILE OUT

Of `Free` sorted by name every fifth image is a test image, the others train; all other folders are
defects.
"""

import pathlib
import sys


def link(image, folder):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / image.name).symlink_to(image.resolve())


def main():
    source, out = map(pathlib.Path, sys.argv[1:])
    for kind in sorted(path for path in source.iterdir() if path.is_dir()):
        for index, image in enumerate(sorted(kind.glob("*.jpg"))):
            if kind.name != "Free":
                link(image, out / "test" / kind.name)
            elif index % 5 == 4:
                link(image, out / "test" / "good")
            else:
                link(image, out / "train" / "good")


if __name__ == "__main__":
    main()
