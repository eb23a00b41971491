// @ts-check
/**
 * jax-js in a worker of its own, on WebAssembly: products of two matrices.
 * @module
 */

import { answerProducts } from "./products.js";
import { threads } from "./side.js";

const PEER = new URL("../packages/@jax-js/jax/", import.meta.url);

/** @type {any} */
let jax;

answerProducts({
  async open() {
    // It takes all cores where memory can be shared, and can be told otherwise in no other way.
    if (threads === 1) Reflect.deleteProperty(self, "SharedArrayBuffer");
    jax = await import(new URL("dist/index.js", PEER).href);
    await jax.init("wasm");
    jax.defaultDevice("wasm");
    const said = await (await fetch(new URL("package.json", PEER))).json();
    return { "jax-js": said.version };
  },

  async tensor(numbers, shape) {
    const array = jax.numpy.array(numbers, { shape });
    await array.blockUntilReady();
    return array;
  },

  multiply: (_, a, b) => jax.numpy.matmul(a.ref, b.ref), // an operation uses up what it is given
  read: (product) => product.ref.data(),
  shape: (product) => product.shape,
  free: (product) => product.dispose(),
});
