"""Shaders as Dawn's compiler (Tint, Chromium's own) sees them, on a device that computes nothing but has every feature.

Chromium here has no adapter with "shader-f16"; npm's `webgpu` is Dawn for Node, whose null back end has.
"""

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

SCRIPT = Path(__file__).with_name("dawn.mjs")


def complaints(shaders: Sequence[str]) -> list[str]:
    """What the compiler says of texts that it refuses, each with the text's number in front."""
    done = subprocess.run(
        ["node", str(SCRIPT)], input=json.dumps(list(shaders)), capture_output=True, text=True, timeout=240, check=False
    )
    assert done.returncode == 0, f"dawn.mjs failed; is node_modules there (scripts/setup.py)? {done.stderr[-2000:]}"
    found: list[str] = json.loads(done.stdout)
    return found
