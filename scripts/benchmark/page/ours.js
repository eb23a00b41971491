// @ts-check
/**
 * intab in a worker of its own: Pyodide and the wheels of the built site.
 * @module
 */

import { answer, fetchBytes } from "./side.js";

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
  pyodide.FS.mkdirTree("/home/pyodide/tests");
  pyodide.FS.writeFile("/home/pyodide/tests/agreement.py", await fetchBytes("../agreement.py"));
  pyodide.runPython(new TextDecoder().decode(await fetchBytes("./ours.py")), { filename: "ours.py" });
  python = (/** @type {string} */ name, /** @type {any[]} */ ...args) => pyodide.globals.get(name)(...args);
  return python("about").toJs({ dict_converter: Object.fromEntries });
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
    call("feed", model, feed.name, feed.shape, await fetchBytes(feed.url)),
  run: (model) => call("run", model),
  stats: (model) => call("stats", model),
  dispose: (model) => call("dispose", model),
  compare: async (model, expected, theirs) =>
    call("compare", model, expected.name, expected.shape, await fetchBytes(expected.url), theirs),
});
