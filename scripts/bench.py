"""Measure intab in headless Chromium, alone or beside onnxruntime-web: `python3 scripts/bench.py [--peers] [--start]`

Makes everything ready (scripts/setup.py), builds the site, and runs the OCR models on the tensors of the main job
(reading scikit-image's page.png) and on a few of well-known sizes.

    --peers          beside onnxruntime-web, the same tensors in turn, answers compared in the same run
    --models M ...   some of det, rec, cls
    --rounds N       timed runs of each case
    --start          also: from navigation to `import intab` in five fresh profiles, and the stages of the whole job
    --json FILE      all figures as JSON
    --write          write docs/performance.md
"""

import os
import subprocess
import sys

import build
import setup
from prepare.steps import ROOT, VENV_PYTHON


def main() -> int:
    if {"-h", "--help"} & set(sys.argv[1:]):
        print(__doc__)
        return 0
    if setup.main() != 0 or build.build() != 0:
        return 1
    try:
        command = [str(VENV_PYTHON), "-m", "benchmark", *sys.argv[1:]]
        return subprocess.run(command, env={**os.environ, "PYTHONPATH": str(ROOT / "scripts")}).returncode
    except KeyboardInterrupt:
        return 130


if __name__ == "__main__":
    sys.exit(main())
