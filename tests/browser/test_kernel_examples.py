"""The examples of docs/kernels.md, run as they stand there, one after the other."""

import json
import re

from tests.browser.proofs import ROOT

EXAMPLE = re.compile(r"^```python\n(.*?)^```", re.DOTALL | re.MULTILINE)


def test_every_example_runs(selenium):
    examples = EXAMPLE.findall((ROOT / "docs/kernels.md").read_text(encoding="utf-8"))
    assert len(examples) == 7
    program = "\n".join(examples) + "\n'done'"
    assert (
        selenium.run_js(f"return await pyodide.runPythonAsync({json.dumps(program)}, {{globals: pyodide.toPy({{}})}})")
        == "done"
    )
