// @ts-check
/**
 * A compute worker: it has no Python, only the modules of sessions over the memory that all threads share. The
 * messages are described in pyapp/intab/backends/wasm/threads.py.
 * @module
 */

/**
 * @typedef {object} Join
 * @property {"join"} kind
 * @property {WebAssembly.Memory} memory
 * @property {number} control address of the control block
 * @property {{ step: number, poison: number, trapped: number }} layout
 */
/** @typedef {{ kind: "add", number: number, module: WebAssembly.Module }} Add */
/** @typedef {{ kind: "drop", number: number }} Drop */

/** @type {Join} */
let team;
/** @type {Map<number, (control: number, module: number) => number>} the function `work` of each module */
const modules = new Map();

/** @param {Add} message */
async function add({ number, module }) {
  const { exports } = await WebAssembly.instantiate(module, { env: { memory: team.memory } });
  modules.set(number, /** @type {any} */ (exports).work);
  self.postMessage({ kind: "ready", number });
}

/** @param {number} number */
function run(number) {
  try {
    modules.get(number)?.(team.control, number);
  } catch (error) {
    const words = new Int32Array(team.memory.buffer, team.control);
    Atomics.store(words, team.layout.poison / 4, team.layout.trapped);
    Atomics.notify(words, team.layout.step / 4);
    self.postMessage({ kind: "failed", reason: String(error) });
  }
}

self.addEventListener("message", (event) => {
  const message = /** @type {number | Join | Add | Drop} */ (event.data);
  if (typeof message === "number") run(message);
  else if (message.kind === "join") team = message;
  else if (message.kind === "drop") modules.delete(message.number);
  else add(message).catch((error) => self.postMessage({ kind: "failed", reason: String(error) }));
});
