// @ts-check
/**
 * onnxruntime-web in a worker of its own: WebAssembly or WebGPU.
 * @module
 */

import { countedRun } from "./gpu_counts.js";
import { answer, backend, described, fetchBytes, fetchNumbers, sendOutput, threads } from "./side.js";

const PEER = new URL("../packages/onnxruntime-web/dist/", import.meta.url);

/** Memories that the peer made: the only way to see how much it takes. @type {WebAssembly.Memory[]} */
const memories = [];
WebAssembly.Memory = class extends WebAssembly.Memory {
  /** @param {WebAssembly.MemoryDescriptor} descriptor */
  constructor(descriptor) {
    super(descriptor);
    memories.push(this);
  }
};

/** @type {any} */
let ort;
/** @type {Map<string, any>} */
const sessions = new Map();
/** @type {Map<string, Record<string, any>>} */
const feeds = new Map();
/** @type {Map<string, Record<string, any>>} */
const results = new Map();

/** @param {string} model @returns {import("./side.js").Output[]} */
function outputsOf(model) {
  return Object.entries(results.get(model) ?? {}).map(([name, { dims, type, data }]) => {
    return { name, shape: [...dims], dtype: type, data: new Uint8Array(data.buffer, data.byteOffset, data.byteLength) };
  });
}

/** @param {string} url */
async function sessionOf(url) {
  return ort.InferenceSession.create(await fetchBytes(url), { executionProviders: [backend] });
}

/**
 * Milliseconds of a run, copying feeds in and outputs out included.
 * @param {string} model
 */
async function run(model) {
  const begin = performance.now();
  results.set(model, await sessions.get(model).run(feeds.get(model)));
  return performance.now() - begin;
}

answer({
  /** Its runtime is started with a model that does nothing, so that no load of a model counts that. */
  async open() {
    ort = await import(new URL(`ort.${backend}.min.mjs`, PEER).href);
    ort.env.wasm.wasmPaths = PEER.href;
    ort.env.wasm.numThreads = threads;
    await (await sessionOf("../files/tiny.onnx")).release();
    return { "onnxruntime-web": ort.env.versions.web };
  },

  async load(model, url) {
    const begin = performance.now();
    sessions.set(model, await sessionOf(url));
    return { load_ms: performance.now() - begin };
  },

  async feed(model, feed) {
    const tensor = new ort.Tensor(feed.dtype, await fetchNumbers(feed), feed.shape);
    feeds.set(model, { ...feeds.get(model), [feed.name]: tensor });
  },

  run,
  counted: (model) => countedRun(() => run(model)),

  async memory() {
    return memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0);
  },

  async dispose(model) {
    await sessions.get(model).release();
    for (const kept of [sessions, feeds, results]) kept.delete(model);
  },

  outputs: async (model) => described(outputsOf(model)),
  send: (model, name, url) => sendOutput(outputsOf(model), name, url),
});
