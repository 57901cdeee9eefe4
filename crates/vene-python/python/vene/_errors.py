"""The exceptions: each has the sentence that the command says."""

from vene._vene import InputError, ModelError, PlanError, RunError, VeneError

__all__ = ["InputError", "ModelError", "PlanError", "RunError", "VeneError"]
