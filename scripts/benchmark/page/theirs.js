// @ts-check
/**
 * onnxruntime-web in a worker of its own: WebAssembly, one thread.
 * @module
 */

import { answer, fetchBytes } from "./side.js";

const PEER = new URL("../peer/", import.meta.url);

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

answer({
  async open() {
    ort = await import(new URL("ort.wasm.min.mjs", PEER).href);
    ort.env.wasm.wasmPaths = PEER.href;
    ort.env.wasm.numThreads = 1;
    return { "onnxruntime-web": ort.env.versions.web };
  },

  async load(model, url) {
    const begin = performance.now();
    const bytes = await fetchBytes(url);
    const session = await ort.InferenceSession.create(bytes, { executionProviders: ["wasm"] });
    sessions.set(model, session);
    return { load_ms: performance.now() - begin };
  },

  async feed(model, feed) {
    const bytes = await fetchBytes(feed.url);
    feeds.set(model, { [feed.name]: new ort.Tensor("float32", new Float32Array(bytes.buffer), feed.shape) });
  },

  /** Milliseconds of a run, copying feeds in and outputs out included. */
  async run(model) {
    const begin = performance.now();
    results.set(model, await sessions.get(model).run(feeds.get(model)));
    return performance.now() - begin;
  },

  async stats() {
    return { memory_nbytes: memories.reduce((sum, memory) => sum + memory.buffer.byteLength, 0) };
  },

  async dispose(model) {
    await sessions.get(model).release();
    sessions.delete(model);
    results.delete(model);
  },

  async outputs(model) {
    const named = Object.entries(/** @type {Record<string, any>} */ (results.get(model)));
    return named.map(([name, tensor]) => ({ name, shape: [...tensor.dims], data: new Float32Array(tensor.data) }));
  },
});
