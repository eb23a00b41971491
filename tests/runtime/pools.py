"""Loading over a pool of a test's own."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from intab.backends.wasm.pool import Pool


@contextmanager
def on(pool: Pool | None) -> Iterator[str]:
    """`intab.load` over `pool` in place of this process's; gives the back end's name, "reference" without a pool."""
    module = sys.modules["intab.runtime.back_end"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "wasm_pool", lambda threads: pool)
        yield "reference" if pool is None else "wasm"
