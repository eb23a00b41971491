"""Loading models and running them."""

from intab.runtime.load import load
from intab.runtime.session import Session, SessionStats, TensorInfo

__all__ = ["Session", "SessionStats", "TensorInfo", "load"]
