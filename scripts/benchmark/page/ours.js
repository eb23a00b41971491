// @ts-check
/**
 * intab in a worker of its own: Pyodide and the wheels of the built site.
 * @module
 */

import { answer, described, fetchBytes, sendOutput, threads } from "./side.js";

const SITE = new URL("../../", import.meta.url);

/** @type {any} the functions of ours.py */
let python;

async function open() {
  const site = await (await fetch(new URL("site.json", SITE))).json();
  const base = new URL(site.pyodide.base, SITE);
  const { loadPyodide } = await import(new URL("pyodide.mjs", base).href);
  const pyodide = await loadPyodide({ indexURL: base.href, lockFileURL: new URL(site.pyodide.lock, SITE).href });
  await pyodide.loadPackage(site.packages, { messageCallback: () => undefined });
  const wheels = site.wheels.map((/** @type {string} */ wheel) => new URL(wheel, SITE).href);
  await pyodide.pyimport("micropip").install.callKwargs(wheels, { deps: false });
  pyodide.runPython(new TextDecoder().decode(await fetchBytes("./ours.py")), { filename: "ours.py" });
  python = (/** @type {string} */ name, /** @type {any[]} */ ...args) => pyodide.globals.get(name)(...args);
  return call("start", threads);
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
  stats: (model) => call("stats", model),
  work: (model) => call("work", model),
  dispose: (model) => call("dispose", model),
  peak: () => call("peak"),
  overhead: (model, count) => call("overhead", model, count),
  outputs: async (model) => described(await call("outputs", model)),
  send: async (model, name, url) => sendOutput(await call("outputs", model), name, url),
});
