"""GPU devices where things go differently: a GPU process that crashes, and pages opened from files."""

import json
from pathlib import Path

import pytest
from selenium.webdriver import Chrome

from tests.browser.main_thread import MainThread
from tests.browser.proofs import ROOT, Proofs
from tests.browser.test_gpu import STORY

SCRIPTS = {name: ROOT / "pyapp" / "intab" / "browser" / f"gpu_{name}.js" for name in ("device", "commands")}
# The scripts as gpu_device.py evaluates them, and one run of two calls: [1, 2, 3, 4] doubled twice.
STORY_OF_SCRIPTS = """
const code = `
struct Words { factor: f32 }
@group(0) @binding(0) var<uniform> words: Words;
@group(0) @binding(1) var<storage, read> source: array<f32>;
@group(0) @binding(2) var<storage, read_write> result: array<f32>;
@compute @workgroup_size(4) fn main(@builtin(global_invocation_id) place: vec3<u32>) {
  result[place.x] = source[place.x] * words.factor;
}`;
async function story() {
  const device = await (await navigator.gpu.requestAdapter()).requestDevice();
  const host = (0, eval)(DEVICE)(device);
  const { STORAGE, UNIFORM, COPY_SRC, COPY_DST } = GPUBufferUsage;
  const [words] = await host.createBuffers([["words", 256, UNIFORM | COPY_DST]]).ready;
  const usage = STORAGE | COPY_SRC | COPY_DST;
  const buffers = await host.createBuffers([["first", 16, usage], ["second", 16, usage]]).ready;
  const pipelines = await host.createPipelines([["double", code, ["read", "read_write"], "main", {}]]);
  host.write(words, 0, new Uint8Array(new Float32Array([2]).buffer));
  const bindings = [[0, 256, 0, 1], [0, 256, 1, 0]], table = new Uint32Array([0, 0, 1, 1, 1, 0, 1, 1, 1, 1]);
  const prepare = (0, eval)(COMMANDS);
  const seen = [[], []], offsets = new Uint32Array(2);
  const commands = await prepare(device, host, pipelines, buffers, bindings, seen, table, offsets, words);
  const numbers = new Uint8Array(new Float32Array([1, 2, 3, 4]).buffer);
  const ticket = commands.run([0, 2, [[buffers[0], 0, numbers]], [[buffers[0], 0, 16]], [], []]);
  const [bytes] = await ticket.ready;
  const result = [...new Float32Array(bytes.slice().buffer)];
  ticket.release();
  host.close();
  return result;
}
"""
IN_PAGE = "const done = arguments[0]; story().then(done, (error) => done(String(error)));"
IN_WORKER = """
const done = arguments[0];
const text = STORY + "story().then((result) => postMessage(result), (error) => postMessage(String(error)));";
const worker = new Worker(URL.createObjectURL(new Blob([text], { type: "text/javascript" })));
worker.onmessage = ({ data }) => done(data);
worker.onerror = ({ message }) => done(message);
"""


@pytest.fixture
def main_thread(page: Chrome, site_url: str, proofs: Proofs) -> MainThread:
    return MainThread(page, site_url.removesuffix("/site/"), proofs)


def test_a_crash_of_the_gpu_process_in_mid_run(page: Chrome, main_thread: MainThread):
    assert main_thread.call("gpu", "begin_slow_run")
    page.execute_cdp_cmd("Browser.crashGpuProcess", {})
    (name, words), said, story = main_thread.call("gpu", "end_slow_run")
    assert name == "DeviceLostError"
    assert "a run of 1 GPU call: the GPU device was lost (" in words
    assert said
    assert story == STORY


@pytest.mark.parametrize("where", [IN_PAGE, IN_WORKER], ids=["page", "classic worker"])
def test_the_scripts_work_in_a_page_opened_from_a_file(page: Chrome, tmp_path: Path, where: str):
    texts = {name.upper(): json.dumps(path.read_text()) for name, path in SCRIPTS.items()}
    script = "".join(f"const {name} = {text};\n" for name, text in texts.items()) + STORY_OF_SCRIPTS
    (tmp_path / "page.html").write_text("<!doctype html><title>file</title>")
    page.get((tmp_path / "page.html").as_uri())
    result = page.execute_async_script(f"{script}\nconst STORY = {json.dumps(script)};\n{where}")
    assert result == [4, 8, 12, 16]
