// @ts-check
/**
 * TF.js in a worker of its own, on its WebAssembly back end: products of two matrices.
 * @module
 */

import * as tf from "@tensorflow/tfjs";
import { setThreadsCount, setWasmPaths } from "@tensorflow/tfjs-backend-wasm";
import { answerProducts } from "./products.js";
import { threads } from "./side.js";

const PEER = new URL("../packages/@tensorflow/tfjs-backend-wasm/wasm-out/", self.location.href);

answerProducts({
  async open() {
    setWasmPaths(PEER.href);
    if (threads > 1) setThreadsCount(threads);
    else tf.env().set("WASM_HAS_MULTITHREAD_SUPPORT", false);
    await tf.setBackend("wasm");
    await tf.ready();
    return { "TF.js": tf.version.tfjs };
  },

  tensor: (numbers, shape) => tf.tensor(numbers, shape),
  multiply: (_, a, b) => tf.matMul(a, b),
  read: (product) => product.dataSync(),
  shape: (product) => product.shape,
  free: (product) => product.dispose(),
});
