// @ts-check
/**
 * What a GPU device does for gpu.py in one crossing from Python: making many things at once, replaying a list of
 * dispatches, and reading back. The file is one expression, which gpu_device.py evaluates in the page or worker where
 * Python runs: there it needs no address to be loaded from, which pages opened from files could not give.
 *
 * Whatever fails is an Error whose name is "lost" (the device is gone), "memory" or "kernel" (all else).
 */
(function open(/** @type {GPUDevice} */ device) {
  "use strict";
  /** @typedef {{ ready: Promise<Uint8Array[]>, release: () => void }} Ticket */

  /** @type {GPUErrorFilter[]} */
  const KINDS = ["validation", "out-of-memory", "internal"];
  // Longer pieces would make the browser hold that much once more while they are on their way.
  const PIECE_NBYTES = 1 << 24;
  const STAGING_NBYTES = 1 << 12;
  const SPARE_BUFFERS = 8;
  const SPARE_NBYTES = 1 << 26;
  // How long a failure waits for the news that the device is lost, which may come after it.
  const NEWS_MS = 1000;
  // Words of a row of the table: pipeline, bind group, x, y, z, as gpu_commands.py writes them.
  const ROW = 5;
  // WebGPU's most queries in a set (maxQueryCount), two for each call.
  const TIMED_CALLS = 2048;

  let lost = "";
  /** What the device found wrong outside every scope. */
  let uncaptured = "";
  /** @type {Set<(error: Error) => void>} of those who wait for the device */
  const waiting = new Set();
  /** @type {GPUBuffer[]} */
  const spare = [];
  let stagingMade = 0;
  let encodeMs = 0;

  void device.lost.then(({ reason, message }) => {
    lost = message || `reason: ${reason}`;
    for (const reject of waiting) reject(failure("lost", lost));
    waiting.clear();
    for (const buffer of spare.splice(0)) buffer.destroy();
  });
  device.addEventListener("uncapturederror", (event) => {
    event.preventDefault();
    uncaptured ||= /** @type {GPUUncapturedErrorEvent} */ (event).error.message;
  });

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

  /**
   * Do `work` in error scopes. The promise is of the first error that the device found in it.
   * @template Value
   * @param {() => Value} work
   * @returns {[Value, Promise<GPUError | null>]}
   */
  function scoped(work) {
    for (const kind of KINDS) device.pushErrorScope(kind);
    /** @type {Promise<GPUError | null>} */
    let found;
    try {
      return [work(), (found = popped())];
    } finally {
      // Where work() throws, its error is the one to tell of.
      found ??= popped();
      found.catch(() => undefined);
    }
  }

  /** @returns {Promise<GPUError | null>} */
  function popped() {
    const all = Promise.all(KINDS.map(() => device.popErrorScope()));
    return orLost(all).then((errors) => errors.find((error) => error !== null) ?? null);
  }

  /**
   * The value of `work` once the device has found nothing wrong with it and with what `found` stands for.
   * @template Value
   * @param {Promise<Value>} work
   * @param {Promise<GPUError | null>} found
   */
  async function settled(work, found) {
    const [done, error] = await Promise.allSettled([orLost(work), found]);
    if (error.status === "fulfilled" && error.value && !lost) throw named(error.value);
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

  /** Until the device is lost, or has been there long enough. */
  async function news() {
    if (!lost) await Promise.race([device.lost, new Promise((resolve) => setTimeout(resolve, NEWS_MS))]);
  }

  /**
   * Buffers, all or none. A failure has the `index` of the one that it is about.
   * @param {[label: string, size: number, usage: number][]} wanted
   */
  async function createBuffers(wanted) {
    check();
    const made = wanted.map(([label, size, usage]) => scoped(() => device.createBuffer({ label, size, usage })));
    try {
      for (const [index, [buffer, found]] of made.entries()) {
        await settled(Promise.resolve(buffer), found).catch((error) => {
          throw Object.assign(error, { index });
        });
      }
    } catch (error) {
      for (const [buffer] of made) buffer.destroy();
      throw error;
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
    const layout = device.createBindGroupLayout({
      label: key,
      entries: [
        { binding: 0, visibility: GPUShaderStage.COMPUTE, buffer: { type: "uniform", hasDynamicOffset: true } },
        ...access.map((kind, index) => ({
          binding: index + 1,
          visibility: GPUShaderStage.COMPUTE,
          buffer: { type: /** @type {GPUBufferBindingType} */ (kind === "read" ? "read-only-storage" : "storage") },
        })),
      ],
    });
    layouts.set(key, layout);
    return layout;
  }

  /**
   * Pipelines, compiled beside each other: for each shader one, or the compiler's words where it is refused.
   * @param {[label: string, code: string, access: string[]][]} shaders
   */
  async function createPipelines(shaders) {
    check();
    const made = await Promise.all(shaders.map(([label, code, access]) => createPipeline(label, code, access)));
    check();
    return made;
  }

  /**
   * @param {string} label
   * @param {string} code
   * @param {string[]} access
   * @returns {Promise<GPUComputePipeline | string>}
   */
  async function createPipeline(label, code, access) {
    const [[module, layout, pending], found] = scoped(() => {
      const made = device.createShaderModule({ label, code });
      const bound = layoutFor(access);
      const compute = { module: made, entryPoint: "main" };
      const pipelineLayout = device.createPipelineLayout({ label, bindGroupLayouts: [bound] });
      return [made, bound, device.createComputePipelineAsync({ label, layout: pipelineLayout, compute })];
    });
    const [done, error] = await Promise.allSettled([orLost(pending), found]);
    check();
    const wrong = await complaints(module, code);
    if (wrong) return wrong;
    if (error.status === "fulfilled" && error.value) return error.value.message;
    if (done.status === "rejected") {
      await news();
      check();
      return String(done.reason.message ?? done.reason);
    }
    layoutOf.set(done.value, layout);
    return done.value;
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
    const whole = bytes.byteLength & ~3;
    for (let at = 0; at < whole; at += PIECE_NBYTES) {
      device.queue.writeBuffer(buffer, offset + at, bytes, at, Math.min(PIECE_NBYTES, whole - at));
    }
    if (whole === bytes.byteLength) return;
    const last = new Uint8Array(4);
    last.set(bytes.subarray(whole));
    device.queue.writeBuffer(buffer, offset + whole, last);
  }

  /**
   * A buffer to map, of at least so many bytes.
   * @param {number} nbytes
   */
  function takeStaging(nbytes) {
    const fitting = spare.filter(({ size }) => size >= nbytes).sort((a, b) => a.size - b.size)[0];
    if (fitting) return spare.splice(spare.indexOf(fitting), 1)[0];
    let size = STAGING_NBYTES;
    while (size < nbytes) size *= 2;
    stagingMade += 1;
    size = Math.min(size, Math.max(nbytes, device.limits.maxBufferSize));
    return device.createBuffer({ label: "downloads", size, usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST });
  }

  /** @param {GPUBuffer} buffer */
  function giveBack(buffer) {
    buffer.unmap(); // ends a map that is still to come, too
    const kept = spare.reduce((sum, { size }) => sum + size, buffer.size);
    if (!lost && spare.length < SPARE_BUFFERS && kept <= SPARE_NBYTES) spare.push(buffer);
    else buffer.destroy();
  }

  /**
   * Encode, submit and read back: uploads are buffer, offset, bytes in turn, downloads buffer, offset, length. Offsets
   * and lengths of downloads are any; whole words around them are copied.
   * @param {(encoder: GPUCommandEncoder) => void} encode
   * @param {any[]} uploads
   * @param {any[]} downloads
   * @returns {Ticket} whoever has it releases it; its arrays are valid until then
   */
  function submit(encode, uploads, downloads) {
    check();
    const start = performance.now();
    const places = placesOf(downloads);
    const [staging, found] = scoped(() => {
      for (let at = 0; at < uploads.length; at += 3) write(uploads[at], uploads[at + 1], uploads[at + 2]);
      const encoder = device.createCommandEncoder();
      encode(encoder);
      const target = takeStaging(places.nbytes);
      for (const { buffer, from, to, nbytes } of places.copies) {
        encoder.copyBufferToBuffer(buffer, from, target, to, nbytes);
      }
      device.queue.submit([encoder.finish()]);
      return target;
    });
    encodeMs = performance.now() - start;
    // Without downloads, too: only a map fails for certain when the device is lost in mid-work.
    const mapped = staging.mapAsync(GPUMapMode.READ, 0, places.nbytes);
    let taken = true;
    return {
      ready: settled(mapped, found).then(() => {
        const whole = new Uint8Array(staging.getMappedRange(0, places.nbytes));
        return places.views.map(([begin, end]) => whole.subarray(begin, end));
      }),
      release() {
        if (taken) giveBack(staging);
        taken = false;
      },
    };
  }

  /**
   * Where downloads go in one buffer. Copies are of whole words (spec, copyBufferToBuffer), maps begin at 8 bytes.
   * @param {any[]} downloads
   */
  function placesOf(downloads) {
    const copies = [];
    const views = [];
    let to = 0;
    for (let at = 0; at < downloads.length; at += 3) {
      const [buffer, offset, wanted] = downloads.slice(at, at + 3);
      const from = offset & ~3;
      const nbytes = (offset - from + wanted + 3) & ~3;
      if (nbytes) copies.push({ buffer, from, to, nbytes });
      views.push([to + offset - from, to + offset - from + wanted]);
      to += nbytes;
    }
    return { copies, views, nbytes: Math.max(to, 4) };
  }

  /**
   * A list of dispatches made ready.
   * @param {GPUComputePipeline[]} pipelines
   * @param {GPUBuffer[]} buffers
   * @param {number[][]} bindings for each bind group: a pipeline with its layout, bytes of words, then its buffers
   * @param {Uint32Array} table ROW words a call
   * @param {Uint32Array} offsets where each call's words are in `words`
   * @param {GPUBuffer} words
   */
  async function prepare(pipelines, buffers, bindings, table, offsets, words) {
    check();
    const [groups, found] = scoped(() =>
      bindings.map(([pipeline, nbytes, ...bound]) =>
        device.createBindGroup({
          layout: /** @type {GPUBindGroupLayout} */ (layoutOf.get(pipelines[pipeline])),
          entries: [
            { binding: 0, resource: { buffer: words, size: nbytes } },
            ...bound.map((place, index) => ({ binding: index + 1, resource: { buffer: buffers[place] } })),
          ],
        }),
      ),
    );
    await settled(Promise.resolve(), found);

    /**
     * @param {GPUComputePassEncoder} pass
     * @param {number} call
     * @param {number} repeats
     */
    function dispatch(pass, call, repeats) {
      const [pipeline, group, x, y, z] = table.subarray(call * ROW, (call + 1) * ROW);
      pass.setPipeline(pipelines[pipeline]);
      pass.setBindGroup(0, groups[group], offsets, call, 1);
      for (let count = 0; count < repeats; count += 1) pass.dispatchWorkgroups(x, y, z);
    }

    /**
     * @param {GPUCommandEncoder} encoder
     * @param {number} first
     * @param {number} end
     */
    function encode(encoder, first, end) {
      if (first >= end) return;
      const pass = encoder.beginComputePass();
      let last = -1;
      for (let call = first, at = first * ROW; call < end; call += 1, at += ROW) {
        if (table[at + 2] * table[at + 3] * table[at + 4] === 0) continue;
        if (table[at] !== last) pass.setPipeline(pipelines[(last = table[at])]);
        pass.setBindGroup(0, groups[table[at + 1]], offsets, call, 1);
        pass.dispatchWorkgroups(table[at + 2], table[at + 3], table[at + 4]);
      }
      pass.end();
    }

    /**
     * Milliseconds that each call takes, by the device's own clock.
     * @param {number} first
     * @param {number} end
     * @param {number} repeats
     */
    async function timeByQueries(first, end, repeats) {
      const count = end - first;
      const querySet = device.createQuerySet({ type: "timestamp", count: 2 * count });
      const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
      const resolved = device.createBuffer({ label: "timestamps", size: 16 * count, usage });
      const ticket = submit(
        (encoder) => {
          for (let call = first; call < end; call += 1) {
            const at = 2 * (call - first);
            const pass = encoder.beginComputePass({
              timestampWrites: { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 },
            });
            dispatch(pass, call, repeats);
            pass.end();
          }
          encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
        },
        [],
        [resolved, 0, 16 * count],
      );
      try {
        const [bytes] = await ticket.ready;
        const ticks = new BigUint64Array(bytes.buffer, bytes.byteOffset, 2 * count);
        return Array.from({ length: count }, (_, index) => Number(ticks[2 * index + 1] - ticks[2 * index]) / 1e6 / repeats);
      } finally {
        ticket.release();
        resolved.destroy();
        querySet.destroy();
      }
    }

    /**
     * The same by the clock on the wall, from submission to the news that it is done.
     * @param {number} first
     * @param {number} end
     * @param {number} repeats
     */
    async function timeByWall(first, end, repeats) {
      const times = [];
      for (let call = first; call < end; call += 1) {
        const ticket = submit(
          (encoder) => {
            const pass = encoder.beginComputePass();
            dispatch(pass, call, repeats);
            pass.end();
          },
          [],
          [],
        );
        const start = performance.now();
        try {
          await ticket.ready;
        } finally {
          ticket.release();
        }
        times.push((performance.now() - start) / repeats);
      }
      return times;
    }

    return {
      /**
       * @param {number} first
       * @param {number} end
       * @param {any[]} uploads
       * @param {any[]} downloads
       */
      run: (first, end, uploads, downloads) => submit((encoder) => encode(encoder, first, end), uploads, downloads),
      /**
       * @param {number} first
       * @param {number} end
       * @param {number} repeats
       */
      async time(first, end, repeats) {
        const times = [];
        const measure = device.features.has("timestamp-query") ? timeByQueries : timeByWall;
        for (let at = first; at < end; at += TIMED_CALLS) {
          times.push(...(await measure(at, Math.min(at + TIMED_CALLS, end), repeats)));
        }
        return times;
      },
    };
  }

  return {
    get lost() {
      return lost;
    },
    get encodeMs() {
      return encodeMs;
    },
    get staging() {
      return { made: stagingMade, spare: spare.length };
    },
    createBuffers,
    createPipelines,
    write,
    prepare,
    /** @param {any[]} downloads */
    read: (downloads) => submit(() => undefined, [], downloads),
    close() {
      for (const buffer of spare.splice(0)) buffer.destroy();
      device.destroy();
    },
  };
});
