// @ts-check
/**
 * LiteRT.js in a worker of its own, on WebAssembly: a model of one product of two matrices.
 * @module
 */

import { loadAndCompile, loadLiteRt, Tensor } from "@litertjs/core";
import { answerProducts } from "./products.js";
import { threads } from "./side.js";

const PEER = new URL("../packages/@litertjs/core/", self.location.href);

/** @type {Map<string, any>} */
const models = new Map();

answerProducts({
  async open() {
    // In a worker its script looks for the module beside the worker's, unless it is told where.
    Object.assign(self, { Module: { locateFile: (/** @type {string} */ name) => new URL(`wasm/${name}`, PEER).href } });
    await loadLiteRt(new URL("wasm/", PEER).href, { threads: threads > 1 });
    const said = await (await fetch(new URL("package.json", PEER))).json();
    return { "LiteRT.js": said.version };
  },

  async load(model, url) {
    const options = { accelerator: /** @type {const} */ ("wasm"), cpuOptions: { numThreads: threads } };
    models.set(model, await loadAndCompile(new URL(url.replace(/onnx$/, "tflite"), self.location.href).href, options));
  },

  tensor: (numbers, shape) => new Tensor(numbers, shape),
  multiply: async (model, a, b) => (await models.get(model).run([a, b]))[0],
  read: (product) => product.toTypedArray(),
  shape: (product) => [...product.type.layout.dimensions],
  free: (product) => product.delete(),

  unload(model) {
    models.get(model).delete();
    models.delete(model);
  },
});
