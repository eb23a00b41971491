// @ts-check
/**
 * What peers that are asked for products of two matrices have in common: tensors kept, runs timed, results sent.
 * @module
 */

import { answer, described, fetchNumbers, sendOutput } from "./side.js";

/**
 * @typedef {object} Peer
 * @property {() => Promise<Record<string, string>>} open start it; versions, for the report
 * @property {(model: string, url: string) => Promise<void>} [load] where a product is a model; else there is none
 * @property {(numbers: any, shape: number[]) => any} tensor a factor in the peer's memory
 * @property {(model: string, a: any, b: any) => any} multiply the product, or a promise of it
 * @property {(product: any) => Float32Array | Promise<Float32Array>} read its numbers
 * @property {(product: any) => number[]} shape
 * @property {(product: any) => void} free give a factor or a product back
 * @property {(model: string) => void} [unload]
 */

/** @param {Peer} peer */
export function answerProducts(peer) {
  /** @type {Map<string, Record<string, any>>} */
  const feeds = new Map();
  /** @type {Map<string, import("./side.js").Output[]>} */
  const results = new Map();
  answer({
    open: peer.open,

    async load(model, url) {
      const begin = performance.now();
      await peer.load?.(model, url);
      return { load_ms: performance.now() - begin };
    },

    async feed(model, feed) {
      const tensor = await peer.tensor(await fetchNumbers(feed), feed.shape);
      feeds.set(model, { ...feeds.get(model), [feed.name]: tensor });
    },

    /** Milliseconds of a product, reading it included; its factors lie in the peer's memory already. */
    async run(model) {
      const { a, b } = /** @type {Record<string, any>} */ (feeds.get(model));
      const begin = performance.now();
      const product = await peer.multiply(model, a, b);
      const shape = peer.shape(product);
      const data = new Uint8Array((await peer.read(product)).slice().buffer);
      const took = performance.now() - begin;
      results.set(model, [{ name: "y", shape, dtype: "float32", data }]);
      peer.free(product);
      return took;
    },

    async dispose(model) {
      Object.values(feeds.get(model) ?? {}).forEach(peer.free);
      peer.unload?.(model);
      for (const kept of [feeds, results]) kept.delete(model);
    },

    outputs: async (model) => described(results.get(model) ?? []),
    send: (model, name, url) => sendOutput(results.get(model) ?? [], name, url),
  });
}
