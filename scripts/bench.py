"""Measure intab in headless Chromium, alone or beside its peers: `python3 scripts/bench.py [--peers] [--models ...]`

Makes everything ready (scripts/setup.py, and the peers from npm), builds the site, and measures side by side.

    --peers          beside onnxruntime-web, TF.js and jax-js: the same tensors in turn, answers compared
    --parts P ...    core, models (both by default), job, products, integers, fresh, start; webgpu and plans, which are
                     of WebGPU: measured here, and compiled for GPUs that are not here
    --models M ...   some of det, rec, resnet50, shufflenet, densenet121, minilm, silero, magika
    --rounds N       timed runs of each case
    --from FILE ...  of the part webgpu: take what is not measured now from the JSON of earlier runs, since on
                     a software adapter onnxruntime-web takes minutes for all
    --json FILE      all figures as JSON
    --write          all with peers: writes docs/performance.md, or of WebGPU, when --parts names that,
                     docs/performance-webgpu.md
"""

import os
import subprocess
import sys

import build
import setup
from prepare.steps import ROOT, VENV_PYTHON, SetupError, only_one
from prepare.tools import install_peers


def main() -> int:
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    if setup.main() != 0 or build.build() != 0:
        return 1
    try:
        with only_one("setup"):
            install_peers()
        command = [str(VENV_PYTHON), "-m", "benchmark", *sys.argv[1:]]
        path = os.pathsep.join(map(str, (ROOT / "scripts", ROOT)))
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": path}).returncode
    except SetupError as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
