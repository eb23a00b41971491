// @ts-check
/**
 * A compute worker: it has no Python, only the modules of sessions over the memory that all threads share. Messages are
 * described in pyapp/intab/backends/wasm/threads.py, the control block in pyapp/intab/kernels/wasm/together.py.
 * @module
 */

/** @typedef {"calls" | "module" | "step" | "poison" | "sent" | "answers" | "states"} Word */
/**
 * @typedef {object} Join
 * @property {"join"} kind
 * @property {WebAssembly.Memory} memory
 * @property {number} control address of the control block
 * @property {number} place which of the workers this is, from 0
 * @property {Record<Word, number>} words where they are in the control block, in bytes
 * @property {{ away: number, awake: number, asleep: number }} states
 * @property {number} trapped the status of a run that a worker's code has ended
 * @property {number} awake_ms how long to look for a call before going to sleep
 * @property {number} sleep_ms how long to sleep before going back to the event loop
 */
/** @typedef {{ kind: "add", number: number, module: WebAssembly.Module }} Add */
/** @typedef {{ kind: "drop", number: number }} Drop */

/** @type {Join} */
let team;
/** @type {Int32Array} the memory */
let memory;
/** @type {Record<Word, number>} places of words in it */
let at;
/** Messages read so far. More are waiting when the leader has counted more of them. */
let heard = 0;
/** @type {Map<number, (control: number, module: number, place: number) => number>} the function `work` of each module */
const modules = new Map();

/** @param {Join} message */
function join(message) {
  team = message;
  memory = new Int32Array(team.memory.buffer);
  const place = (/** @type {Word} */ name, index = 0) => (team.control + team.words[name]) / 4 + index;
  at = {
    calls: place("calls"),
    module: place("module"),
    step: place("step"),
    poison: place("poison"),
    sent: place("sent", team.place),
    answers: place("answers", team.place),
    states: place("states", team.place),
  };
}

/** @param {Add} message */
function add({ number, module }) {
  const { exports } = new WebAssembly.Instance(module, { env: { memory: team.memory } });
  modules.set(number, /** @type {any} */ (exports).work);
  self.postMessage({ kind: "ready", number });
}

/** Follow one call after the other, until there is none for a while or a message is to be read. */
function attend() {
  let call;
  do {
    Atomics.store(memory, at.states, team.states.awake);
    do {
      call = Atomics.load(memory, at.calls);
      Atomics.store(memory, at.answers, call);
      const number = Atomics.load(memory, at.module);
      if (number !== 0) modules.get(number)?.(team.control, number, team.place);
    } while (isCalledAfter(call));
    Atomics.store(memory, at.states, team.states.away);
    // A leader that has called just now took this worker for one that listens.
  } while (isCalled(call));
}

/**
 * Whether there is another call than this one, and no message to be read before.
 * @param {number} call
 */
function isCalled(call) {
  return Atomics.load(memory, at.calls) !== call && Atomics.load(memory, at.sent) === heard;
}

/**
 * Wait for another call than this one; false when none has come, or a message is to be read before.
 * @param {number} call
 */
function isCalledAfter(call) {
  const end = performance.now() + team.awake_ms;
  while (performance.now() < end) if (Atomics.load(memory, at.calls) !== call) return isCalled(call);
  Atomics.store(memory, at.states, team.states.asleep);
  Atomics.wait(memory, at.calls, call, team.sleep_ms);
  Atomics.store(memory, at.states, team.states.awake);
  return isCalled(call);
}

/** @param {unknown} error */
function fail(error) {
  Atomics.store(memory, at.poison, team.trapped);
  Atomics.notify(memory, at.step);
  self.postMessage({ kind: "failed", reason: String(error) });
}

self.addEventListener("message", (event) => {
  const message = /** @type {number | Join | Add | Drop} */ (event.data);
  try {
    if (typeof message !== "number") {
      if (message.kind === "join") join(message);
      else if (message.kind === "drop") modules.delete(message.number);
      else add(message);
      heard += 1;
    }
    if (Atomics.load(memory, at.sent) === heard) attend();
  } catch (error) {
    fail(error);
  }
});
