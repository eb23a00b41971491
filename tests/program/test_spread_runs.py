"""Programs whose values are spread over more buffers than they were built for, run whole."""

from dataclasses import replace

import numpy as np

from intab.backends.reference import evaluate
from intab.dtypes import float32
from intab.ops.builder import Builder
from intab.program import build
from intab.target import WEBGPU
from tests.interpreted_gpu import InterpretedGpu

# A binding sees no more than one of the values that are alive at once.
BINDING_NBYTES = 2048
SHAPE = (16, 24)


def test_values_in_more_buffers_are_what_they_were() -> None:
    builder = Builder("spread")
    x = builder.input("x", float32, SHAPE)
    powers = [x]
    for _ in range(5):
        # What is kept for the end cannot share its place; transposing keeps the chain from becoming one kernel.
        turned = builder.emit("Transpose", builder.emit("Sigmoid", powers[-1]), perm=(1, 0))
        powers.append(builder.emit("Reshape", turned, shape=SHAPE))
    total = powers[0]
    for power in powers[1:]:
        total = builder.emit("Add", total, power)
    graph = builder.graph([("y", total)])
    feeds = {"x": np.random.default_rng(5).standard_normal(SHAPE).astype(np.float32)}
    device = InterpretedGpu(build(graph, replace(WEBGPU, binding_nbytes=BINDING_NBYTES)))
    before = len(device.pages)
    found = device.run(feeds, {})
    assert len(device.pages) > before
    assert max(page.nbytes for page in device.pages) <= BINDING_NBYTES
    np.testing.assert_allclose(found["y"], evaluate(graph, feeds)["y"], rtol=1e-6)
