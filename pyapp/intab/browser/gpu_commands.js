// @ts-check
/**
 * A list of dispatches made ready once and replayed; see gpu_commands.py. One expression, evaluated like gpu_device.js.
 */

(async function prepare(
  /** @type {GPUDevice} */ device,
  /** @type {Device} what gpu_device.js gives */ host,
  /** @type {GPUComputePipeline[]} */ pipelines,
  /** @type {GPUBuffer[]} */ buffers,
  /** @type {number[][]} for each bind group: a pipeline with its layout, bytes of words, its buffers */ bindings,
  /** @type {number[][]} for each bind group: how much is seen of each buffer, or nothing where all of it is */ seen,
  /** @type {Uint32Array<ArrayBuffer>} ROW words a call: pipeline, bind group, x, y, z */ table,
  /** @type {Uint32Array<ArrayBuffer>} where each call's words begin, in bytes */ offsets,
  /** @type {GPUBuffer} */ words,
) {
  "use strict";
  const { check, scoped, settled, layoutOf, submit } = host;
  const ROW = 5;
  // Calls that are submitted at once: systems end work that keeps the GPU for seconds, and screens stand still meanwhile.
  const BATCH_CALLS = 64;
  // WebGPU's most queries in a set (spec, createQuerySet), two for each call.
  const TIMED_CALLS = 2048;

  check();
  const [groups, found] = scoped(() =>
    bindings.map(([pipeline, nbytes, ...bound], group) =>
      device.createBindGroup({
        layout: layoutOf(pipelines[pipeline]),
        entries: [
          { binding: 0, resource: { buffer: words, size: nbytes } },
          ...bound.map((place, index) => ({
            binding: index + 1,
            resource: { buffer: buffers[place], size: seen[group][index] },
          })),
        ],
      }),
    ),
  );
  await settled(Promise.resolve(), found);

  /**
   * Encode calls, copies before the first and after the last of them; all but the last calls are submitted in batches.
   * @param {GPUCommandEncoder} encoder
   * @param {number} first
   * @param {number} end
   * @param {Copy[]} before
   * @param {Copy[]} after
   */
  function encode(encoder, first, end, before, after) {
    let at = first;
    for (; at + BATCH_CALLS < end; at += BATCH_CALLS) {
      const batch = device.createCommandEncoder();
      if (at === first) encodeCopies(batch, before);
      encodeBatch(batch, at, at + BATCH_CALLS);
      device.queue.submit([batch.finish()]);
    }
    if (at === first) encodeCopies(encoder, before);
    if (at < end) encodeBatch(encoder, at, end);
    encodeCopies(encoder, after);
  }

  /**
   * @param {GPUCommandEncoder} encoder
   * @param {Copy[]} copies
   */
  function encodeCopies(encoder, copies) {
    for (const [source, from, target, to, nbytes] of copies) {
      if (nbytes) encoder.copyBufferToBuffer(source, from, target, to, nbytes);
    }
  }

  /**
   * @param {GPUCommandEncoder} encoder
   * @param {number} first
   * @param {number} end
   */
  function encodeBatch(encoder, first, end) {
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
   * Submit one call, `repeats` times over, by itself: systems end work that keeps the GPU for too long at once.
   * @param {number} call
   * @param {number} repeats
   * @param {GPUComputePassDescriptor} [descriptor]
   */
  function submitAlone(call, repeats, descriptor) {
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass(descriptor);
    const [pipeline, group, x, y, z] = table.subarray(call * ROW, (call + 1) * ROW);
    pass.setPipeline(pipelines[pipeline]);
    pass.setBindGroup(0, groups[group], offsets, call, 1);
    for (let count = 0; x * y * z > 0 && count < repeats; count += 1) pass.dispatchWorkgroups(x, y, z);
    pass.end();
    device.queue.submit([encoder.finish()]);
  }

  /**
   * Milliseconds that each call takes, by the device's own clock.
   * @param {number} first
   * @param {number} end
   * @param {number} repeats
   */
  async function timeByQueries(first, end, repeats) {
    const count = end - first;
    const usage = GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC;
    const [{ querySet, resolved }, made] = scoped(() => ({
      querySet: device.createQuerySet({ type: "timestamp", count: 2 * count }),
      resolved: device.createBuffer({ label: "timestamps", size: 16 * count, usage }),
    }));
    try {
      await settled(Promise.resolve(), made);
      const read = /** @type {Download} */ ([resolved, 0, 16 * count]);
      const ticks = await readAfter([read], (encoder) => {
        for (let call = first, at = 0; call < end; call += 1, at += 2) {
          const timestampWrites = { querySet, beginningOfPassWriteIndex: at, endOfPassWriteIndex: at + 1 };
          submitAlone(call, repeats, { timestampWrites });
        }
        encoder.resolveQuerySet(querySet, 0, 2 * count, resolved, 0);
      });
      // Clocks of some devices are set back now and then.
      return Array.from({ length: count }, (_, i) => Math.max(0, Number(ticks[2 * i + 1] - ticks[2 * i])) / 1e6 / repeats);
    } finally {
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
    await readAfter([], () => undefined); // what was submitted before has to be done
    for (let call = first; call < end; call += 1) {
      const start = performance.now();
      await readAfter([], () => submitAlone(call, repeats));
      times.push((performance.now() - start) / repeats);
    }
    return times;
  }

  /**
   * The first download as ticks of a clock, once the work is done.
   * @param {Download[]} downloads
   * @param {(encoder: GPUCommandEncoder) => void} work
   */
  async function readAfter(downloads, work) {
    const ticket = submit(work, [], downloads);
    try {
      const [bytes] = await ticket.ready;
      return bytes ? new BigUint64Array(bytes.slice().buffer) : new BigUint64Array();
    } finally {
      ticket.release();
    }
  }

  return {
    /** @param {[first: number, end: number, uploads: Upload[], downloads: Download[], before: Copy[], after: Copy[]]} what */
    run: ([first, end, uploads, downloads, before, after]) =>
      submit((encoder) => encode(encoder, first, end, before, after), uploads, downloads),
    /**
     * @param {number} first
     * @param {number} end
     * @param {number} repeats
     */
    async time(first, end, repeats) {
      check();
      const times = [];
      const measure = device.features.has("timestamp-query") ? timeByQueries : timeByWall;
      for (let at = first; at < end; at += TIMED_CALLS) {
        times.push(...(await measure(at, Math.min(at + TIMED_CALLS, end), repeats)));
      }
      return times;
    },
  };
});
