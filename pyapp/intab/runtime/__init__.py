"""Loading models and running them."""

from intab.backends.device_tensor import DeviceTensor
from intab.runtime.load import load
from intab.runtime.profile import Profile
from intab.runtime.session import Session, SessionStats, TensorInfo

__all__ = ["DeviceTensor", "Profile", "Session", "SessionStats", "TensorInfo", "load"]
