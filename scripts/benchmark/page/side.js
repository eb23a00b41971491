// @ts-check
/**
 * A worker's end of the talk with bench.js.
 * @module
 */

/** @typedef {{ name: string, shape: number[], url: string }} Feed */

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
