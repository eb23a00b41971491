// @ts-check
/**
 * The page that scripts/bench.py drives: two workers, one with intab and one with the peer, and never both at work.
 * @module
 */

/** One worker, asked one thing at a time. */
class Side {
  /** @param {string} script */
  constructor(script) {
    this.worker = new Worker(new URL(script, import.meta.url), { type: "module" });
    this.worker.addEventListener("error", (event) => this.fail?.(new Error(`${script}: ${event.message}`)));
    this.worker.addEventListener("message", ({ data }) => {
      if (data.error) this.fail?.(new Error(data.error));
      else this.finish?.(data.value);
    });
  }

  /**
   * @param {string} method
   * @param {any[]} args
   * @param {Transferable[]} transfer
   * @returns {Promise<any>}
   */
  ask(method, args, transfer = []) {
    return new Promise((finish, fail) => {
      this.finish = finish;
      this.fail = fail;
      this.worker.postMessage({ method, args }, transfer);
    });
  }
}

/** @type {Record<string, Side>} */
const sides = {};

/** What the driver may call. */
const bench = {
  /** @param {string} side @param {string} script */
  async open(side, script) {
    sides[side] = new Side(script);
    return sides[side].ask("open", []);
  },

  /** @param {string} side @param {string} method @param {any[]} args */
  ask: (side, method, ...args) => sides[side].ask(method, args),

  /**
   * How far the outputs of the last run are from what is expected, and from the other side's.
   * @param {string} model
   * @param {import("./side.js").Feed} expected what native onnxruntime gives, and where its bytes are
   */
  async compare(model, expected) {
    const theirs = sides.theirs ? await sides.theirs.ask("outputs", [model]) : null;
    const transfer = theirs ? theirs.map((/** @type {any} */ one) => one.data.buffer) : [];
    return sides.ours.ask("compare", [model, expected, theirs], transfer);
  },
};

Object.assign(window, { bench });
