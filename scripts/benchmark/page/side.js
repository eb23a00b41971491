// @ts-check
/**
 * A worker's end of the talk with bench.js.
 * @module
 */

/** @typedef {{ name: string, shape: number[], dtype: string, url: string }} Feed */
/** @typedef {{ name: string, shape: number[], dtype: string, data: Uint8Array }} Output */

const asked = new URL(self.location.href).searchParams;

/** How many threads this worker is to compute on. */
export const threads = Number(asked.get("threads"));

/** Where it is to compute: "wasm" or "webgpu". */
export const backend = asked.get("backend") ?? "wasm";

/** @type {Record<string, any>} */
const ARRAYS = {
  float32: Float32Array,
  int64: BigInt64Array,
  int32: Int32Array,
  int8: Int8Array,
  uint8: Uint8Array,
};

/** @param {Record<string, (...args: any[]) => Promise<any>>} methods */
export function answer(methods) {
  self.addEventListener("message", async ({ data }) => {
    try {
      self.postMessage({ value: await methods[data.method](...data.args) });
    } catch (error) {
      self.postMessage({ error: `${data.method}: ${error}` });
    }
  });
}

/** @param {string} url @returns {Promise<Uint8Array<ArrayBuffer>>} */
export async function fetchBytes(url) {
  const response = await fetch(url);
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
  return new Uint8Array(await response.arrayBuffer());
}

/** The numbers of a feed as a typed array. @param {Feed} feed */
export async function fetchNumbers(feed) {
  const bytes = await fetchBytes(feed.url);
  return new ARRAYS[feed.dtype](bytes.buffer);
}

/** What the driver needs to know of outputs, whose bytes `sendOutput` sends. @param {Output[]} outputs */
export function described(outputs) {
  return outputs.map(({ name, shape, dtype }) => ({ name, shape, dtype }));
}

/** @param {Output[]} outputs @param {string} name @param {string} url */
export async function sendOutput(outputs, name, url) {
  const found = outputs.find((one) => one.name === name);
  if (!found) throw new Error(`there is no output ${name}`);
  // A copy, since fetch refuses views of shared memory.
  const response = await fetch(url, { method: "PUT", body: new Uint8Array(found.data) });
  if (!response.ok) throw new Error(`${url}: the server answered ${response.status}`);
}
