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
 * The memory image that spares Python its own start.
 * @param {Asset} asset
 */
async function readSnapshot(asset) {
  const body = await open(asset.url, tally, "high");
  return collect(asset.url.endsWith(".gz") ? body.pipeThrough(new DecompressionStream("gzip")) : body);
}

/**
 * @param {Site} site
 * @returns {Promise<{ pyodide: any, note: string }>} note: "used" when the snapshot was, else why not
 */
async function startPyodide(site) {
  const { base, snapshot } = site.pyodide;
  const locked = readLock(site);
  const { loadPyodide } = await import(absolute(`${base}pyodide.mjs`));
  const options = { indexURL: absolute(base), packageBaseUrl: absolute(base), lockFileContents: await locked };
  if (!snapshot) return { pyodide: await loadPyodide(options), note: "the site has none" };
  try {
    // A promise, so that the core is fetched beside it.
    return { pyodide: await loadPyodide({ ...options, _loadSnapshot: readSnapshot(snapshot) }), note: "used" };
  } catch (error) {
    // Made by another build of Pyodide, say. The plain start takes longer and works; the page is told.
    return { pyodide: await loadPyodide(options), note: `not used: ${error}` };
  }
}

/**
 * Pyodide's lock file. The wheels that it names for the start are fetched from here on, into the HTTP cache, since
 * Pyodide itself asks for them only once Python is up.
 * @param {Site} site
 * @returns {Promise<any>}
 */
async function readLock(site) {
  const lock = await (await fetchWell(site.pyodide.lock)).json();
  const names = new Set(site.packages);
  for (const name of names) lock.packages[name]?.depends.forEach((/** @type {string} */ needed) => names.add(needed));
  warm([...names].map((name) => site.pyodide.base + lock.packages[name]?.file_name));
  return lock;
}

/** @param {string[]} urls */
function warm(urls) {
  // What fails here fails again, with its reason, for whoever wants the file.
  for (const url of urls) fetch(url).then((response) => response.arrayBuffer()).catch(() => undefined);
}

/** @param {string} url */
async function fetchWell(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
  return response;
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
  const site = /** @type {Site} */ (await (await fetchWell("./site.json")).json());
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
