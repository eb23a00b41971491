"""Fixtures of the host tests of intab.browser."""

from collections.abc import Iterator

import pytest

from intab.browser import proxies
from tests.browser_layer.stand_in import StandIn, stand_in


@pytest.fixture
def way() -> Iterator[StandIn]:
    """A stand-in for JavaScript. Every test must close what it opens."""
    before = proxies.live()
    with stand_in() as door:
        yield door
        assert proxies.live() == before, "handles were left open"
        assert door.proxies == 0, "proxies were left alive"
