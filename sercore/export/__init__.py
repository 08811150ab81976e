"""Runs to files that ship; what a file costs is measured by `sercore.export.latency`."""

from sercore.export.model_card import write_model_card
from sercore.export.onnx_export import export_onnx
from sercore.export.quantization import CALIBRATED, METHODS, SCHEMES, quantize, sample_calibration, write_scheme_files
