// @ts-check
/**
 * What a GPU device does for gpu.py in one crossing from Python: buffers and pipelines, many at once; writes; and work
 * that is submitted and read back. gpu_commands.js builds lists of dispatches on it.
 *
 * The file is one expression, which gpu_device.py evaluates where Python runs: so it needs no address to be loaded from,
 * which a page that was opened from a file could not give. Whatever fails is an Error whose name is "lost" (the device
 * is gone), "memory" or "kernel" (all else).
 */

/** @typedef {{ ready: Promise<Uint8Array[]>, release: () => void }} Ticket arrays that are valid until the release */
/** @typedef {[buffer: GPUBuffer, offset: number, bytes: Uint8Array<ArrayBuffer>]} Upload */
/** @typedef {[buffer: GPUBuffer, offset: number, nbytes: number]} Download */
/** @typedef {[source: GPUBuffer, from: number, target: GPUBuffer, to: number, nbytes: number]} Copy whole words */
/**
 * @typedef {object} Device
 * @property {() => void} check
 * @property {<Value>(work: () => Value) => [Value, Promise<GPUError | null>]} scoped
 * @property {<Value>(work: Promise<Value>, found: Promise<GPUError | null>) => Promise<Value>} settled
 * @property {(pipeline: GPUComputePipeline) => GPUBindGroupLayout} layoutOf
 * @property {(encode: (encoder: GPUCommandEncoder) => void, uploads: Upload[], downloads: Download[]) => Ticket} submit
 */

(function open(/** @type {GPUDevice} */ device) {
  "use strict";
  /** @type {GPUErrorFilter[]} */
  const KINDS = ["validation", "out-of-memory", "internal"];
  // Longer pieces would have the browser hold that much once more while they are on their way.
  const PIECE_NBYTES = 1 << 24;
  const STAGING_NBYTES = 1 << 12;
  const SPARE_BUFFERS = 8;
  const SPARE_NBYTES = 1 << 26;
  // How long a failure waits for the news that the device is lost, which may come after it.
  const NEWS_MS = 1000;

  let lost = "";
  // What the device found wrong outside every scope.
  let uncaptured = "";
  /** @type {Set<(error: Error) => void>} of those who wait for the device */
  const waiting = new Set();
  /** @type {GPUBuffer[]} staging buffers that nobody uses now */
  const spare = [];
  let stagingMade = 0;
  let encodeMs = 0;

  void device.lost.then(({ reason, message }) => lose(message || `reason: ${reason}`));
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    uncaptured ||= /** @type {GPUUncapturedErrorEvent} */ (event).error.message;
  });

  /**
   * Take note that the device is gone; the first reason is kept.
   * @param {string} reason
   */
  function lose(reason) {
    lost ||= reason;
    for (const reject of waiting) reject(failure("lost", lost));
    waiting.clear();
    for (const buffer of spare.splice(0)) buffer.destroy();
  }

  /**
   * @param {"lost" | "memory" | "kernel"} name
   * @param {string} message
   */
  function failure(name, message) {
    return Object.assign(new Error(message), { name });
  }

  /** Throw when there is no device any more. */
  function check() {
    if (lost) throw failure("lost", lost);
  }

  /**
   * `promise`, or a failure as soon as the device is lost. (Promise.race would keep something of every promise for as
   * long as the device lives.)
   * @template Value
   * @param {Promise<Value>} promise
   * @returns {Promise<Value>}
   */
  function orLost(promise) {
    return new Promise((resolve, reject) => {
      if (lost) reject(failure("lost", lost));
      waiting.add(reject);
      promise.then(resolve, reject).finally(() => waiting.delete(reject));
    });
  }

  /** Until the device is lost, or has been there long enough. */
  async function news() {
    if (!lost) await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, NEWS_MS))]);
  }

  /**
   * Do `work` in error scopes. The promise is of the first error that the device found in it.
   * @template Value
   * @param {() => Value} work
   * @returns {[Value, Promise<GPUError | null>]}
   */
  function scoped(work) {
    for (const kind of KINDS) device.pushErrorScope(kind);
    /** @type {Promise<GPUError | null> | undefined} */
    let found;
    try {
      return [work(), (found = popped())];
    } finally {
      // Where work() throws, its error is the one to tell of.
      (found ?? popped()).catch(() => undefined);
    }
  }

  /** @returns {Promise<GPUError | null>} */
  function popped() {
    const all = Promise.all(KINDS.map(() => device.popErrorScope()));
    return orLost(all).then((errors) => errors.find((error) => error !== null) ?? null);
  }

  /**
   * The value of `work`, once the device has found nothing wrong with it.
   * @template Value
   * @param {Promise<Value>} work
   * @param {Promise<GPUError | null>} found
   */
  async function settled(work, found) {
    const [done, error] = await Promise.allSettled([orLost(work), found]);
    if (!lost && error.status === "fulfilled" && error.value) throw named(error.value);
    if (done.status === "rejected" || error.status === "rejected") await news();
    check();
    if (error.status === "rejected") throw failure("kernel", String(error.reason));
    if (done.status === "rejected") throw failure("kernel", String(done.reason));
    if (uncaptured) {
      const message = uncaptured;
      uncaptured = "";
      throw failure("kernel", message);
    }
    return done.value;
  }

  /** @param {GPUError} error */
  function named(error) {
    return failure(error instanceof GPUOutOfMemoryError ? "memory" : "kernel", error.message);
  }

  /**
   * Buffers, all or none. A failure has the `index` of the one that it is about. `discard` is for who will not wait.
   * @param {[label: string, size: number, usage: number][]} wanted
   */
  function createBuffers(wanted) {
    check();
    const made = wanted.map(([label, size, usage]) => scoped(() => device.createBuffer({ label, size, usage })));
    const discard = () => made.forEach(([buffer]) => buffer.destroy());
    return { ready: checkBuffers(made, discard), discard };
  }

  /**
   * @param {[buffer: GPUBuffer, found: Promise<GPUError | null>][]} made
   * @param {() => void} discard
   */
  async function checkBuffers(made, discard) {
    for (const [index, [buffer, found]] of made.entries()) {
      await settled(Promise.resolve(buffer), found).catch((error) => {
        discard();
        throw Object.assign(error, { index });
      });
    }
    return made.map(([buffer]) => buffer);
  }

  /** @type {Map<string, GPUBindGroupLayout>} by the access to each buffer */
  const layouts = new Map();
  /** @type {WeakMap<GPUComputePipeline, GPUBindGroupLayout>} */
  const layoutOf = new WeakMap();

  /** @param {string[]} access "read" or "read_write" for each buffer from binding 1 on; binding 0 are the words */
  function layoutFor(access) {
    const key = access.join();
    const known = layouts.get(key);
    if (known) return known;
    const visibility = GPUShaderStage.COMPUTE;
    /** @type {GPUBufferBindingType[]} */
    const types = access.map((kind) => (kind === "read" ? "read-only-storage" : "storage"));
    const layout = device.createBindGroupLayout({
      label: key,
      entries: [
        { binding: 0, visibility, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...types.map((type, index) => ({ binding: index + 1, visibility, buffer: { type } })),
      ],
    });
    layouts.set(key, layout);
    return layout;
  }

  /**
   * Pipelines, compiled beside each other: for each shader one, or the compiler's words where it is refused.
   * @param {[label: string, code: string, access: string[], entry: string, constants: Record<string, number>][]} shaders
   */
  async function createPipelines(shaders) {
    check();
    const made = await Promise.all(shaders.map((shader) => createPipeline(...shader)));
    check();
    return made;
  }

  /**
   * @param {string} label
   * @param {string} code
   * @param {string[]} access
   * @param {string} entryPoint
   * @param {Record<string, number>} constants
   * @returns {Promise<GPUComputePipeline | string>}
   */
  async function createPipeline(label, code, access, entryPoint, constants) {
    const [{ module, layout, pending }, found] = scoped(() => {
      const module = device.createShaderModule({ label, code });
      const layout = layoutFor(access);
      const whole = device.createPipelineLayout({ label, bindGroupLayouts: [layout] });
      const compute = { module, entryPoint, constants };
      return { module, layout, pending: device.createComputePipelineAsync({ label, layout: whole, compute }) };
    });
    const [done, error] = await Promise.allSettled([orLost(pending), found]);
    check();
    if (done.status === "fulfilled" && error.status === "fulfilled" && !error.value) {
      layoutOf.set(done.value, layout);
      return done.value;
    }
    const words = await complaints(module, code);
    if (words) return words;
    if (error.status === "fulfilled" && error.value) return error.value.message;
    await news();
    check();
    return String(done.status === "rejected" ? (done.reason.message ?? done.reason) : error);
  }

  /**
   * The errors that the compiler found, each with the line of the text that it is about.
   * @param {GPUShaderModule} module
   * @param {string} code
   */
  async function complaints(module, code) {
    const { messages } = await orLost(module.getCompilationInfo());
    const lines = code.split("\n");
    return messages
      .filter(({ type }) => type === "error")
      .map(({ lineNum, linePos, message }) => `${lineNum}:${linePos}: ${message} in: ${lines[lineNum - 1]?.trim()}`)
      .join("\n");
  }

  /**
   * Copy bytes into a buffer; what is missing to a multiple of 4 becomes zeros, since WebGPU writes whole words.
   * @param {GPUBuffer} buffer
   * @param {number} offset
   * @param {Uint8Array<ArrayBuffer>} bytes
   */
  function write(buffer, offset, bytes) {
    const whole = bytes.byteLength - (bytes.byteLength % 4);
    for (let at = 0; at < whole; at += PIECE_NBYTES) {
      device.queue.writeBuffer(buffer, offset + at, bytes, at, Math.min(PIECE_NBYTES, whole - at));
    }
    if (whole === bytes.byteLength) return;
    const last = new Uint8Array(4);
    last.set(bytes.subarray(whole));
    device.queue.writeBuffer(buffer, offset + whole, last);
  }

  /**
   * Make the first bytes of a buffer zeros: whole words, which is what WebGPU clears.
   * @param {GPUBuffer} buffer
   * @param {number} nbytes
   */
  function clear(buffer, nbytes) {
    check();
    const encoder = device.createCommandEncoder();
    encoder.clearBuffer(buffer, 0, roundUp(nbytes));
    device.queue.submit([encoder.finish()]);
  }

  /**
   * A buffer to map, of at least so many bytes.
   * @param {number} nbytes
   */
  function takeStaging(nbytes) {
    const fitting = spare.filter(({ size }) => size >= nbytes).sort((one, other) => one.size - other.size)[0];
    if (fitting) return spare.splice(spare.indexOf(fitting), 1)[0];
    let size = STAGING_NBYTES;
    while (size < nbytes) size *= 2;
    stagingMade += 1;
    const usage = GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST;
    return device.createBuffer({ label: "downloads", size: Math.min(size, device.limits.maxBufferSize), usage });
  }

  /** @param {GPUBuffer} buffer */
  function giveBack(buffer) {
    buffer.unmap();
    const kept = spare.reduce((sum, { size }) => sum + size, buffer.size);
    if (!lost && spare.length < SPARE_BUFFERS && kept <= SPARE_NBYTES) spare.push(buffer);
    else buffer.destroy();
  }

  /**
   * Where downloads go, in as few staging buffers as the device's limit on a buffer lets them share: copies are of whole
   * words (spec, copyBufferToBuffer), and what was wanted lies within. None exceeds the limit, since its source does not.
   * @param {Download[]} downloads
   */
  function placesOf(downloads) {
    const most = device.limits.maxBufferSize;
    const sizes = [0];
    const places = downloads.map(([buffer, offset, wanted]) => {
      const from = offset - (offset % 4);
      const copied = wanted && roundUp(offset - from + wanted);
      if (sizes[sizes.length - 1] + copied > most) sizes.push(0);
      const staging = sizes.length - 1;
      const to = sizes[staging];
      sizes[staging] += copied;
      const begin = to + offset - from;
      return { buffer, from, copied, staging, to, begin, end: begin + wanted };
    });
    // Without downloads, too, something is mapped: only a map fails for certain when the device is lost in mid-work.
    return { places, sizes: sizes.map((nbytes) => Math.max(nbytes, 4)) };
  }

  /** @param {number} nbytes in whole words; by division, since JavaScript's bits are those of 32-bit numbers */
  function roundUp(nbytes) {
    return Math.ceil(nbytes / 4) * 4;
  }

  /** @type {Device["submit"]} */
  function submit(encode, uploads, downloads) {
    check();
    const start = performance.now();
    const { places, sizes } = placesOf(downloads);
    const [stagings, found] = scoped(() => {
      for (const [buffer, offset, bytes] of uploads) write(buffer, offset, bytes);
      const encoder = device.createCommandEncoder();
      encode(encoder);
      const targets = sizes.map(takeStaging);
      for (const { buffer, from, staging, to, copied } of places) {
        if (copied) encoder.copyBufferToBuffer(buffer, from, targets[staging], to, copied);
      }
      // What is mapped has to be written by this very work, to be there after it.
      if (places.every(({ copied }) => !copied)) encoder.clearBuffer(targets[0], 0, sizes[0]);
      device.queue.submit([encoder.finish()]);
      return targets;
    });
    encodeMs = performance.now() - start;
    let [isMapped, isReleased] = [false, false];
    return {
      ready: settled(mapAll(stagings, sizes, () => isReleased), found).then((wholes) => {
        isMapped = true;
        return places.map(({ staging, begin, end }) => wholes[staging].subarray(begin, end));
      }),
      release() {
        if (isReleased) return;
        isReleased = true;
        // Where the wait was cancelled, or the buffer itself may be what failed, it is not used again.
        for (const staging of stagings) isMapped ? giveBack(staging) : staging.destroy();
      },
    };
  }

  /**
   * @param {GPUBuffer[]} stagings
   * @param {number[]} sizes
   * @param {() => boolean} isReleased
   */
  function mapAll(stagings, sizes, isReleased) {
    return Promise.all(stagings.map((staging, index) => map(staging, sizes[index], isReleased)));
  }

  /**
   * The first bytes of a buffer, once the work that writes it is done.
   * @param {GPUBuffer} staging
   * @param {number} nbytes
   * @param {() => boolean} isReleased
   */
  async function map(staging, nbytes, isReleased) {
    try {
      await staging.mapAsync(GPUMapMode.READ, 0, nbytes);
    } catch (/** @type {any} */ error) {
      if (error.name === "AbortError" && !isReleased()) {
        // What nobody here has ended ends with the device (spec, mapAsync), and some browsers tell of that much later.
        await news();
        lose(`its work was broken off: ${error.message}`);
      }
      throw error;
    }
    return new Uint8Array(staging.getMappedRange(0, nbytes));
  }

  return {
    get lost() {
      return lost;
    },
    /** Milliseconds that it took to upload, encode and submit last. */
    get encodeMs() {
      return encodeMs;
    },
    get stagingMade() {
      return stagingMade;
    },
    check,
    scoped,
    settled,
    createBuffers,
    createPipelines,
    layoutOf: (/** @type {GPUComputePipeline} */ pipeline) => layoutOf.get(pipeline),
    write,
    clear,
    submit,
    /** @param {Download[]} downloads */
    read: (downloads) => submit(() => undefined, [], downloads),
    close() {
      for (const buffer of spare.splice(0)) buffer.destroy();
      device.destroy();
    },
  };
});
