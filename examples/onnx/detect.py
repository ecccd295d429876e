"""Scores images by an exported model in ONNX Runtime: `python detect.py part.onnx IMAGE...`"""

import sys

import numpy as np
import onnxruntime
from PIL import Image

session = onnxruntime.InferenceSession(sys.argv[1], providers=["CPUExecutionProvider"])
outputs = [output.name for output in session.get_outputs()]
metadata = session.get_modelmeta().custom_metadata_map
pixel_threshold = float(metadata["nfbmr.pixel_threshold"])
width, height = map(int, metadata["nfbmr.input_size"].split("x"))
for path in sys.argv[2:]:
    image = np.asarray(Image.open(path).convert("RGB"))
    assert image.shape == (height, width, 3), f"{path}: expected {width} x {height} pixels"
    found = dict(zip(outputs, session.run(outputs, {"image": image[None]})))
    score, p_value = found["score"][0], found["p_value"][0]
    pixels = np.count_nonzero(found["anomaly_map"][0] > pixel_threshold)
    verdict = "anomalous" if found["is_anomalous"][0] else "good"
    print(f"{path}: {verdict}, score {score:.4f}, p-value {p_value:.4f}, {pixels} defect pixels")
