// @ts-check
/**
 * The kernel worker: it brings Python up and passes messages on. What they mean is in
 * pyapp/intab/browser/messages.py; who answers them in pyapp/intab/pages/kernel.py.
 * @module
 */

import { collect, open, Tally } from "./download.js";

/** @typedef {import("./messages").ToPage} ToPage */
/** @typedef {import("./messages").ToWorker} ToWorker */
/** @typedef {{ url: string, nbytes: number, sha256: string }} Asset */
/**
 * @typedef {object} Site what scripts/build.py writes into site.json
 * @property {string} intab
 * @property {{ version: string, base: string, lock: string, snapshot: Asset | null }} pyodide
 * @property {string[]} wheels
 * @property {string[]} packages
 * @property {Record<string, Asset & { licence: string, source: string }>} models
 */

/** Models that the page is for, so that they are fetched at once. The host page of `intab run` asks for none. */
const PREFETCHED = new URL(self.location.href).searchParams.getAll("model");
const MARKS = /** @type {Record<string, number>} */ ({ worker: now() });

/** Milliseconds since the epoch, as finely as the browser tells. */
function now() {
  return performance.timeOrigin + performance.now();
}

/**
 * @param {ToPage} message
 * @param {Transferable[]} [transfer]
 */
function post(message, transfer = []) {
  self.postMessage(message, { transfer });
}

const tally = new Tally((done, total) => post({ kind: "progress", id: 0, stage: "download", done, total }));

/**
 * The memory image that spares Python its own start, or null and why there is none.
 * @param {Site} site
 * @returns {Promise<{ image: Uint8Array | null, note: string }>}
 */
async function snapshot(site) {
  const asset = site.pyodide.snapshot;
  if (!asset) return { image: null, note: "the site has none" };
  try {
    const body = await open(asset.url, tally, "high");
    const unpacked = asset.url.endsWith(".gz") ? body.pipeThrough(new DecompressionStream("gzip")) : body;
    return { image: await collect(unpacked), note: "used" };
  } catch (error) {
    return { image: null, note: String(error) };
  }
}

/**
 * @param {Site} site
 * @returns {Promise<{ pyodide: any, note: string }>}
 */
async function startPyodide(site) {
  const module = import(absolute(`${site.pyodide.base}pyodide.mjs`));
  const { image, note } = await snapshot(site);
  const { loadPyodide } = await module;
  const options = { indexURL: absolute(site.pyodide.base), lockFileURL: absolute(site.pyodide.lock) };
  if (image) {
    try {
      return { pyodide: await loadPyodide({ ...options, _loadSnapshot: image }), note };
    } catch (error) {
      // Made by another build of Pyodide, say. The plain start takes longer and works; the page is told.
      return { pyodide: await loadPyodide(options), note: `it did not load: ${error}` };
    }
  }
  return { pyodide: await loadPyodide(options), note };
}

/**
 * Fetch into the HTTP cache what Python will want in a moment.
 * @param {string[]} urls
 */
function warm(urls) {
  for (const url of urls) fetch(url).then((response) => response.arrayBuffer(), () => undefined);
}

/**
 * Pyodide only writes to the console when a package does not load; here that is an error.
 * @param {any} pyodide
 * @param {string[]} names
 */
async function loadPackages(pyodide, names) {
  /** @type {string[]} */
  const failures = [];
  await pyodide.loadPackage(names, {
    messageCallback: () => undefined,
    errorCallback: (/** @type {string} */ failure) => failures.push(failure),
  });
  if (failures.length) throw new Error(failures.join(" "));
}

/** @type {((message: ToWorker) => void) | null} */
let receive = null;
/** @type {ToWorker[]} */
const waiting = [];

/** @param {Extract<ToWorker, { kind: "call" }>} call */
async function start(call) {
  /** @param {string} name @param {number} step */
  const mark = (name, step) => {
    MARKS[name] = now();
    post({ kind: "progress", id: call.id, stage: "start", done: step, total: 4 });
  };
  const described = await fetch("./site.json");
  if (!described.ok) throw new Error(`site.json: the server answered ${described.status}`);
  const site = /** @type {Site} */ (await described.json());
  const models = PREFETCHED.map((name) => ({ ...site.models[name] }));
  tally.total = (site.pyodide.snapshot?.nbytes ?? 0) + models.reduce((sum, model) => sum + model.nbytes, 0);
  warm(site.wheels);
  const starting = startPyodide(site);
  const adopted = models.map((model) => ({ url: model.url, bytes: open(model.url, tally, "low").then(collect) }));
  for (const { bytes } of adopted) bytes.catch(() => undefined); // told by net.py, which then fetches by itself
  const { pyodide, note } = await starting;
  mark("pyodide", 1);
  await loadPackages(pyodide, site.packages);
  mark("packages", 2);
  const micropip = pyodide.pyimport("micropip");
  mark("micropip", 3);
  await micropip.install.callKwargs(site.wheels.map(absolute), { deps: false });
  micropip.destroy();
  mark("wheels", 4);
  const kernel = pyodide.pyimport("intab.pages.kernel"); // `import intab`, and all that it needs to read a picture
  mark("intab", 4);
  const version = pyodide.runPython("import intab, sys; intab.__version__");
  receive = kernel.serve(post, adopted.map(({ url, bytes }) => [url, bytes]));
  kernel.destroy();
  const origin = call.arguments.navigation_ms;
  const marks = Object.fromEntries(Object.entries(MARKS).map(([name, at]) => [name, at - origin]));
  const python = pyodide.runPython("sys.version.split()[0]");
  post({
    kind: "result",
    id: call.id,
    value: { intab: version, python, pyodide: pyodide.version, snapshot: note, marks },
  });
  for (const message of waiting.splice(0)) receive?.(message);
}

/** @param {string} url */
function absolute(url) {
  return new URL(url, self.location.href).href;
}

self.addEventListener("message", (event) => {
  const message = /** @type {ToWorker} */ (event.data);
  if (message.kind === "call" && message.method === "start") {
    start(message).catch((error) => {
      const words = `Python could not start (${error?.message ?? error}). Check the connection and reload the page.`;
      post({ kind: "failure", id: message.id, error: "StartError", message: words, trace: String(error?.stack) });
    });
  } else if (receive) {
    receive(message);
  } else {
    waiting.push(message);
  }
});
