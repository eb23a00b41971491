// @ts-check
/**
 * What a run asks of WebGPU, whoever asks: dispatches, the bytes of the buffers bound for them, what is written and
 * read back, and how long encoding takes. Imported before the side asks for a device.
 * @module
 */

/**
 * @typedef {object} Counts
 * @property {number} dispatches
 * @property {number} boundBytes of the storage buffers bound at each dispatch, added up over dispatches
 * @property {number} writtenBytes by writeBuffer, and in buffers that begin as memory of the page
 * @property {number} submits
 * @property {number} maps buffers that are mapped to be read
 * @property {number} encodeMs from the first encoder to the return of the submit that leaves none
 */

/** @type {Counts | null} of the run that is being counted */
let counts = null;
let encoders = 0;
let encodersSince = 0;

/** Bytes of storage that a group binds. @type {WeakMap<GPUBindGroup, number>} */
const boundBy = new WeakMap();
/** Groups by their place in each pass. @type {WeakMap<GPUComputePassEncoder, Map<number, number>>} */
const boundIn = new WeakMap();

/**
 * Call `seen` after each call of a method.
 * @param {string} type @param {string} name @param {(self: any, args: any[], result: any) => void} seen
 */
function watch(type, name, seen) {
  const prototype = /** @type {any} */ (self)[type]?.prototype;
  if (!prototype) return; // without WebGPU there is nothing to count, and nobody to count it for
  const original = prototype[name];
  prototype[name] = function (/** @type {any[]} */ ...args) {
    const result = original.apply(this, args);
    seen(this, args, result);
    return result;
  };
}

/** @param {any} resource */
function storageBytes(resource) {
  const buffer = resource instanceof GPUBuffer ? resource : resource?.buffer;
  if (!(buffer instanceof GPUBuffer) || !(buffer.usage & GPUBufferUsage.STORAGE)) return 0;
  return resource.size ?? buffer.size - (resource.offset ?? 0);
}

/** @param {any} data @param {number} [start] @param {number} [size] in elements, as writeBuffer has them */
function writtenBytes(data, start = 0, size = undefined) {
  const unit = data.BYTES_PER_ELEMENT ?? 1;
  return size === undefined ? data.byteLength - start * unit : size * unit;
}

watch("GPUDevice", "createBindGroup", (_, [{ entries }], group) => {
  boundBy.set(group, [...entries].reduce((sum, { resource }) => sum + storageBytes(resource), 0));
});
watch("GPUDevice", "createCommandEncoder", () => {
  if (encoders === 0) encodersSince = performance.now();
  encoders += 1;
});
watch("GPUQueue", "submit", (_, [buffers]) => {
  encoders = Math.max(0, encoders - [...buffers].length);
  if (!counts) return;
  counts.submits += 1;
  if (encoders === 0) counts.encodeMs += performance.now() - encodersSince;
});
watch("GPUComputePassEncoder", "setBindGroup", (pass, [place, group]) => {
  if (!counts) return;
  const bound = boundIn.get(pass) ?? new Map();
  boundIn.set(pass, bound.set(place, boundBy.get(group) ?? 0));
});
for (const name of ["dispatchWorkgroups", "dispatchWorkgroupsIndirect"]) {
  watch("GPUComputePassEncoder", name, (pass) => {
    if (!counts) return;
    counts.dispatches += 1;
    for (const nbytes of boundIn.get(pass)?.values() ?? []) counts.boundBytes += nbytes;
  });
}
watch("GPUQueue", "writeBuffer", (_, [, , data, start, size]) => {
  if (counts) counts.writtenBytes += writtenBytes(data, start, size);
});
watch("GPUDevice", "createBuffer", (_, [{ mappedAtCreation, size }]) => {
  if (counts && mappedAtCreation) counts.writtenBytes += size;
});
watch("GPUBuffer", "mapAsync", (_, [mode]) => {
  if (counts && mode === GPUMapMode.READ) counts.maps += 1;
});

/**
 * A run with what it asked of WebGPU.
 * @param {() => Promise<number>} run its milliseconds
 */
export async function countedRun(run) {
  const found = { dispatches: 0, boundBytes: 0, writtenBytes: 0, submits: 0, maps: 0, encodeMs: 0 };
  encoders = 0;
  counts = found;
  try {
    return { ms: await run(), ...found };
  } finally {
    counts = null;
  }
}
