"""What this browser can do, as far as it can be asked without a device."""

from dataclasses import dataclass

from intab.browser._js import door


@dataclass(frozen=True, slots=True)
class Features:
    """cross_origin_isolated: shared memory may be used; processors: logical ones, as far as the browser tells."""

    cross_origin_isolated: bool
    processors: int
    user_agent: str


def features() -> Features:
    """Ask the page or worker that this Python runs in."""
    js = door().js
    return Features(
        cross_origin_isolated=bool(getattr(js, "crossOriginIsolated", False)),
        processors=int(getattr(js.navigator, "hardwareConcurrency", 1) or 1),
        user_agent=str(js.navigator.userAgent),
    )
