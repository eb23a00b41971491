// @ts-check
/**
 * intab in a worker of its own: Pyodide and the wheels of the built site.
 * @module
 */

import { countedRun } from "./gpu_counts.js";
import { answer, backend, described, fetchBytes, sendOutput, threads } from "./side.js";

const SITE = new URL("../../", import.meta.url);

/** What runs in Pyodide, under the names that it has in the checkout. */
const FOLDER = "benchmark/page";
const SCRIPTS = ["ours", "ours_gpu"];

/** @type {any} the functions of these scripts */
let python;

async function open() {
  const site = await (await fetch(new URL("site.json", SITE))).json();
  const base = new URL(site.pyodide.base, SITE);
  const { loadPyodide } = await import(new URL("pyodide.mjs", base).href);
  const pyodide = await loadPyodide({ indexURL: base.href, lockFileURL: new URL(site.pyodide.lock, SITE).href });
  await pyodide.loadPackage(site.packages, { messageCallback: () => undefined });
  const wheels = site.wheels.map((/** @type {string} */ wheel) => new URL(wheel, SITE).href);
  await pyodide.pyimport("micropip").install.callKwargs(wheels, { deps: false });
  pyodide.FS.mkdirTree(FOLDER);
  for (const name of SCRIPTS) pyodide.FS.writeFile(`${FOLDER}/${name}.py`, await fetchBytes(`./${name}.py`));
  const [ours, gpu] = SCRIPTS.map((name) => pyodide.pyimport(`${FOLDER}/${name}`.replaceAll("/", ".")));
  python = (/** @type {string} */ name, /** @type {any[]} */ ...args) => (name in ours ? ours : gpu)[name](...args);
  return call("start", threads, backend);
}

/** @param {string} name @param {any[]} args */
async function call(name, ...args) {
  const value = await python(name, ...args);
  return value?.toJs ? value.toJs({ dict_converter: Object.fromEntries }) : value;
}

answer({
  open,
  load: (model, url) => call("load_model", model, url),
  feed: async (model, /** @type {import("./side.js").Feed} */ feed) =>
    call("feed", model, feed.name, feed.shape, feed.dtype, await fetchBytes(feed.url)),
  run: (model) => call("run", model),
  counted: (model) => countedRun(() => call("run", model)),
  stats: (model) => call("stats", model),
  work: (model) => call("work", model),
  dispose: (model) => call("dispose", model),
  peak: () => call("peak"),
  overhead: (model, count) => call("overhead", model, count),
  adapter: () => call("adapter"),
  gpuPeak: () => call("gpu_peak"),
  deviceMs: (model) => call("device_ms", model),
  parts: (model) => call("parts", model),
  crossings: (model) => call("crossings", model),
  outputs: async (model) => described(await call("outputs", model)),
  send: async (model, name, url) => sendOutput(await call("outputs", model), name, url),
});
