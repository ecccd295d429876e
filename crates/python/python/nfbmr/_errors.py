"""What goes wrong, by cause."""


class NfbmrError(Exception):
    """Whatever nfbmr raises of its own."""


class ConfigError(NfbmrError, ValueError):
    """Settings or arguments without meaning, or that don't go together."""


class DataError(NfbmrError, ValueError):
    """Images, masks or columns that can't be read or aren't what they should be."""


class ModelError(NfbmrError):
    """A model, a checkpoint or a file of weights that can't be read, written or used."""


class CalibrationError(NfbmrError):
    """Images that don't calibrate a model, or a threshold that it can't have."""


class DeviceError(NfbmrError):
    """A device that isn't there."""


class TrainingError(NfbmrError):
    """Images or settings that don't train."""


class Interrupted(NfbmrError):
    """A callback of progress returned False."""
