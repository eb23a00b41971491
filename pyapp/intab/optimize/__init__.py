"""Graph -> Graph: passes that keep the meaning and make the graph smaller and faster. One pass per file."""

from collections.abc import Sequence

from intab.graph.ir import Graph
from intab.optimize.add_bytes import ADD_BYTES
from intab.optimize.between_bytes import BETWEEN_BYTES
from intab.optimize.choose_layout import CHOOSE_LAYOUT
from intab.optimize.fold_batch_norm import FOLD_BATCH_NORM
from intab.optimize.fold_bias import FOLD_BIAS
from intab.optimize.fold_constants import FOLD_CONSTANTS
from intab.optimize.fold_scale import FOLD_SCALE
from intab.optimize.fold_transpose import FOLD_TRANSPOSE
from intab.optimize.fuse_elementwise import FUSE_ELEMENTWISE
from intab.optimize.fuse_epilogue import FUSE_EPILOGUE
from intab.optimize.integer_products import INTEGER_PRODUCTS
from intab.optimize.keep_compressed import COMPRESS_MATMUL, EXPAND_DEQUANTIZED, RECOGNISE_DEQUANTIZED
from intab.optimize.mean_bytes import MEAN_BYTES
from intab.optimize.nest_concats import NEST_CONCATS
from intab.optimize.passes import Effect, Pass, run_passes
from intab.optimize.quantize_weights import QUANTIZE_WEIGHTS
from intab.optimize.recognise_activations import RECOGNISE_ACTIVATIONS
from intab.optimize.recognise_attention import RECOGNISE_ATTENTION
from intab.optimize.recognise_gelu import RECOGNISE_GELU
from intab.optimize.recognise_layer_norm import RECOGNISE_LAYER_NORM
from intab.optimize.recognise_shuffle import RECOGNISE_SHUFFLE
from intab.optimize.remove_dead import REMOVE_DEAD
from intab.optimize.remove_identities import REMOVE_IDENTITIES
from intab.optimize.scaled_sums import SCALED_SUMS
from intab.optimize.share_common import SHARE_COMMON
from intab.optimize.simplify_arithmetic import SIMPLIFY_ARITHMETIC
from intab.optimize.sink_scale import SINK_SCALE
from intab.optimize.spread_quantization import SPREAD_QUANTIZATION
from intab.optimize.tabulate import TABULATE
from intab.optimize.widen_halves import WIDEN_HALVES
from intab.target import WASM_SIMD, Target

# In this order: first what makes patterns visible, then patterns, then weights, then layout, then fusion.
DEFAULT_PASSES: tuple[Pass, ...] = (
    REMOVE_DEAD,
    WIDEN_HALVES,
    QUANTIZE_WEIGHTS,
    INTEGER_PRODUCTS,
    ADD_BYTES,
    BETWEEN_BYTES,
    SCALED_SUMS,
    RECOGNISE_DEQUANTIZED,
    EXPAND_DEQUANTIZED,
    FOLD_CONSTANTS,
    REMOVE_IDENTITIES,
    SHARE_COMMON,
    RECOGNISE_GELU,
    RECOGNISE_ACTIVATIONS,
    RECOGNISE_LAYER_NORM,
    RECOGNISE_SHUFFLE,
    SIMPLIFY_ARITHMETIC,
    FOLD_BIAS,
    FOLD_BATCH_NORM,
    FOLD_SCALE,
    FOLD_BIAS,
    SINK_SCALE,
    RECOGNISE_ATTENTION,
    SPREAD_QUANTIZATION,
    NEST_CONCATS,
    CHOOSE_LAYOUT,
    REMOVE_IDENTITIES,
    FOLD_TRANSPOSE,
    MEAN_BYTES,
    FUSE_ELEMENTWISE,
    TABULATE,
    FUSE_EPILOGUE,
    COMPRESS_MATMUL,
)


def optimize(
    graph: Graph, passes: Sequence[Pass] = DEFAULT_PASSES, target: Target = WASM_SIMD, *, check: bool = False
) -> Graph:
    """The graph after passes, for a target. With `check` it is verified after each."""
    return run_passes(graph, passes, target, check=check)[0]


__all__ = ["DEFAULT_PASSES", "Effect", "Pass", "optimize", "run_passes"]
