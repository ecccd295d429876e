"""Visual defect detection from images of good parts alone.

    model = nfbmr.train("good-parts")
    model.save("part.nfbmr")

    model = nfbmr.load("part.nfbmr")
    detection = model.detect("new.png")
    detection.score, detection.p_value, detection.is_anomalous, detection.regions

What is taken, left out and guessed is logged by the logger "nfbmr".
"""

from ._arrow import Scorer, score_batch
from ._errors import (
    CalibrationError,
    ConfigError,
    DataError,
    DeviceError,
    Interrupted,
    ModelError,
    NfbmrError,
    TrainingError,
)
from ._nfbmr import (
    Detection,
    Detections,
    Evaluation,
    Model,
    Progress,
    Region,
    __version__,
    load,
    set_threads,
    train,
)

__all__ = [
    "CalibrationError",
    "ConfigError",
    "DataError",
    "Detection",
    "Detections",
    "DeviceError",
    "Evaluation",
    "Interrupted",
    "Model",
    "ModelError",
    "NfbmrError",
    "Progress",
    "Region",
    "Scorer",
    "TrainingError",
    "__version__",
    "load",
    "score_batch",
    "set_threads",
    "train",
]
