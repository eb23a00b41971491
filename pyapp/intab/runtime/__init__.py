"""Loading models and running them."""

from intab.runtime.load import load
from intab.runtime.profile import Profile
from intab.runtime.session import Session, SessionStats, TensorInfo

__all__ = ["Profile", "Session", "SessionStats", "TensorInfo", "load"]
