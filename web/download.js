// @ts-check
/**
 * Downloads that begin before Python runs. Whatever Python fetches goes through intab/browser/net.py.
 * @module
 */

/**
 * How many bytes of several downloads have arrived, told together.
 * The totals come from site.json: what a server announces may be the length before unpacking.
 */
export class Tally {
  /** @param {(done: number, total: number) => void} changed */
  constructor(changed) {
    this.changed = changed;
    this.done = 0;
    this.total = 0;
  }

  /**
   * A stream that passes through what it is given and counts it.
   * @returns {TransformStream<Uint8Array<ArrayBuffer>, Uint8Array<ArrayBuffer>>}
   */
  counter() {
    return new TransformStream({
      transform: (piece, controller) => {
        this.done += piece.byteLength;
        this.changed(this.done, this.total);
        controller.enqueue(piece);
      },
    });
  }
}

/**
 * The body of `url`, counted while it arrives.
 * @param {string} url
 * @param {Tally} tally
 * @param {RequestPriority} priority
 * @returns {Promise<ReadableStream<Uint8Array<ArrayBuffer>>>}
 */
export async function open(url, tally, priority) {
  const response = await fetch(url, { priority });
  if (!response.ok || !response.body) {
    throw new Error(`${url}: the server answered ${response.status} ${response.statusText}`.trimEnd());
  }
  return response.body.pipeThrough(tally.counter());
}

/**
 * All bytes of a stream.
 * @param {ReadableStream<Uint8Array<ArrayBuffer>>} stream
 * @returns {Promise<Uint8Array<ArrayBuffer>>}
 */
export async function collect(stream) {
  return new Uint8Array(await new Response(stream).arrayBuffer());
}
