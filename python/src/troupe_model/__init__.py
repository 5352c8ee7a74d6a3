"""A fitted estimator into one ONNX file that Troupe scores.

    from troupe_model import export
    export(fitted, X_train, "games.onnx")

The file carries the names and types of the features, what to do with missing values, a few rows with expected results,
and a baseline of the training data. `docs/model_format.md` describes all of it.
"""
from troupe_model.errors import ExportError
from troupe_model.exporting import Exported, export
from troupe_model.inspecting import describe, read

__all__ = ["ExportError", "Exported", "describe", "export", "read"]
__version__ = "0.1.0"
