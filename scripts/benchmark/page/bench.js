// @ts-check
/**
 * The page that scripts/bench.py drives: a worker for each side, asked one thing at a time, and never two at work.
 * @module
 */

/** One worker, asked one thing at a time. */
class Side {
  /** @param {string} script @param {number} threads @param {WorkerType} type */
  constructor(script, threads, type) {
    const url = new URL(`${script}?threads=${threads}`, import.meta.url);
    this.worker = new Worker(url, { type });
    this.worker.addEventListener("error", (event) => this.fail?.(new Error(`${script}: ${event.message}`)));
    this.worker.addEventListener("message", ({ data }) => {
      if (data.error) this.fail?.(new Error(data.error));
      else this.finish?.(data.value);
    });
  }

  /** @param {string} method @param {any[]} args @returns {Promise<any>} */
  ask(method, args) {
    return new Promise((finish, fail) => {
      this.finish = finish;
      this.fail = fail;
      this.worker.postMessage({ method, args });
    });
  }
}

/** @type {Record<string, Side>} */
const sides = {};

/** What the driver may call. */
const bench = {
  /** @param {string} key @param {string} script @param {number} threads @param {WorkerType} type */
  async open(key, script, threads, type) {
    sides[key] = new Side(script, threads, type);
    return sides[key].ask("open", []);
  },

  /** @param {string} key @param {string} method @param {any[]} args */
  ask: (key, method, ...args) => sides[key].ask(method, args),
};

Object.assign(window, { bench });
