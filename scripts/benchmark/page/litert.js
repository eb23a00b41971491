// @ts-check
/**
 * LiteRT.js in a worker of its own, on WebAssembly: a model of one product of two matrices.
 * @module
 */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { answer, described, fetchNumbers, sendOutput, threads } from "./side.js";

const PEER = new URL("../packages/@litertjs/core/", self.location.href);

/** @type {Map<string, any>} */
const models = new Map();
/** @type {Map<string, Record<string, any>>} */
const feeds = new Map();
/** @type {Map<string, import("./side.js").Output[]>} */
const results = new Map();

answer({
  async open() {
    // In a worker its script looks for the module beside the worker's, unless it is told where.
    Object.assign(self, { Module: { locateFile: (/** @type {string} */ name) => new URL(`wasm/${name}`, PEER).href } });
    await loadLiteRt(new URL("wasm/", PEER).href, { threads: threads > 1 });
    const said = await (await fetch(new URL("package.json", PEER))).json();
    return { "LiteRT.js": said.version };
  },

  async load(model, url) {
    const begin = performance.now();
    const options = { accelerator: /** @type {const} */ ("wasm"), cpuOptions: { numThreads: threads } };
    models.set(model, await loadAndCompile(new URL(url.replace(/onnx$/, "tflite"), self.location.href).href, options));
    return { load_ms: performance.now() - begin };
  },

  async feed(model, feed) {
    feeds.set(model, { ...feeds.get(model), [feed.name]: new Tensor(await fetchNumbers(feed), feed.shape) });
  },

  /** Milliseconds of a product, reading it included; its factors lie in the peer's memory already. */
  async run(model) {
    const { a, b } = /** @type {Record<string, any>} */ (feeds.get(model));
    const begin = performance.now();
    const [product] = await models.get(model).run([a, b]);
    const shape = [...product.type.layout.dimensions];
    const data = new Uint8Array(product.toTypedArray().slice().buffer);
    const took = performance.now() - begin;
    results.set(model, [{ name: "y", shape, dtype: "float32", data }]);
    product.delete();
    return took;
  },

  async dispose(model) {
    for (const tensor of Object.values(feeds.get(model) ?? {})) tensor.delete();
    models.get(model).delete();
    for (const kept of [models, feeds, results]) kept.delete(model);
  },

  outputs: async (model) => described(results.get(model) ?? []),
  send: (model, name, url) => sendOutput(results.get(model) ?? [], name, url),
});
