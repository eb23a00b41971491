// @ts-check
/**
 * TF.js in a worker of its own, on its WebAssembly back end: products of two matrices.
 * @module
 */

import * as tf from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { answer, described, fetchNumbers, sendOutput, threads } from "./side.js";

const PEER = new URL("../packages/@tensorflow/tfjs-backend-wasm/wasm-out/", self.location.href);

/** @type {Map<string, Record<string, any>>} */
const feeds = new Map();
/** @type {Map<string, import("./side.js").Output[]>} */
const results = new Map();

answer({
  async open() {
    setWasmPaths(PEER.href);
    if (threads > 1) setThreadsCount(threads);
    else tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    await tf.setBackend("wasm");
    await tf.ready();
    return { "TF.js": tf.version.tfjs };
  },

  load: async () => ({ load_ms: 0 }), // there is no model: the product is called by its name

  async feed(model, feed) {
    feeds.set(model, { ...feeds.get(model), [feed.name]: tf.tensor(await fetchNumbers(feed), feed.shape) });
  },

  /** Milliseconds of a product, reading it included; its factors lie in the peer's memory already. */
  async run(model) {
    const { a, b } = /** @type {Record<string, any>} */ (feeds.get(model));
    const begin = performance.now();
    const product = tf.matMul(a, b);
    const data = new Uint8Array(product.dataSync().slice().buffer);
    const took = performance.now() - begin;
    results.set(model, [{ name: "y", shape: product.shape, dtype: "float32", data }]);
    product.dispose();
    return took;
  },

  async dispose(model) {
    for (const tensor of Object.values(feeds.get(model) ?? {})) tensor.dispose();
    for (const kept of [feeds, results]) kept.delete(model);
  },

  outputs: async (model) => described(results.get(model) ?? []),
  send: (model, name, url) => sendOutput(results.get(model) ?? [], name, url),
});
