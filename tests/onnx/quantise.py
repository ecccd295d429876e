"""An exported model in 8 bits, by the ranges that its values have on good images, as a file of OpenVINO.

    pip install nncf==3.4.0
    python tests/onnx/quantise.py part.onnx good-parts part-int8.xml --keep input whitening score verdict

`--keep` names the parts that stay in floats; without it none does.
"""

import argparse
from pathlib import Path

import nncf
import numpy as np
import openvino
from PIL import Image


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("graph", help="the ONNX file")
    parser.add_argument("images", type=Path, help="a folder of good images of the graph's size")
    parser.add_argument("output", help="the file to write")
    parser.add_argument("--keep", nargs="*", default=[], metavar="PART")
    parser.add_argument("--count", type=int, default=50, help="how many images")
    args = parser.parse_args()

    model = openvino.Core().read_model(args.graph)
    paths = sorted(args.images.glob("*.png"))[: args.count]
    pixels = nncf.Dataset(paths, lambda path: np.asarray(Image.open(path).convert("RGB"))[None])
    kept = [node.get_friendly_name() for node in model.get_ops()]
    kept = [name for name in kept if name.split("/")[0] in args.keep]
    scope = nncf.IgnoredScope(names=kept, validate=False)
    quantised = nncf.quantize(model, pixels, subset_size=len(paths), ignored_scope=scope)
    openvino.save_model(quantised, args.output, compress_to_fp16=False)


if __name__ == "__main__":
    main()
