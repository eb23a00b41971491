// @ts-check
/**
 * jax-js in a worker of its own, on WebAssembly: products of two matrices.
 * @module
 */

import { answer, described, fetchNumbers, sendOutput, threads } from "./side.js";

const PEER = new URL("../packages/@jax-js/jax/", import.meta.url);

/** @type {any} */
let jax;
/** @type {Map<string, Record<string, any>>} */
const feeds = new Map();
/** @type {Map<string, import("./side.js").Output[]>} */
const results = new Map();

answer({
  async open() {
    // It takes all cores where memory can be shared, and can be told otherwise in no other way.
    if (threads === 1) Reflect.deleteProperty(self, "SharedArrayBuffer");
    jax = await import(new URL("dist/index.js", PEER).href);
    await jax.init("wasm");
    jax.defaultDevice("wasm");
    const said = await (await fetch(new URL("package.json", PEER))).json();
    return { "jax-js": said.version };
  },

  load: async () => ({ load_ms: 0 }), // there is no model: the product is called by its name

  async feed(model, feed) {
    const array = jax.numpy.array(await fetchNumbers(feed), { shape: feed.shape });
    await array.blockUntilReady();
    feeds.set(model, { ...feeds.get(model), [feed.name]: array });
  },

  /** Milliseconds of a product, reading it included; its factors lie in the peer's memory already. */
  async run(model) {
    const { a, b } = /** @type {Record<string, any>} */ (feeds.get(model));
    const begin = performance.now();
    const product = jax.numpy.matmul(a.ref, b.ref); // an operation uses up what it is given
    const shape = product.shape;
    const data = new Uint8Array((await product.data()).slice().buffer);
    const took = performance.now() - begin;
    results.set(model, [{ name: "y", shape, dtype: "float32", data }]);
    return took;
  },

  async dispose(model) {
    for (const tensor of Object.values(feeds.get(model) ?? {})) tensor.dispose();
    for (const kept of [feeds, results]) kept.delete(model);
  },

  outputs: async (model) => described(results.get(model) ?? []),
  send: (model, name, url) => sendOutput(results.get(model) ?? [], name, url),
});
