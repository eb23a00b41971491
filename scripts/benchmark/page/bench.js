// @ts-check
/**
 * The page that scripts/bench.py drives: a worker for each side, asked one thing at a time, and never two at work.
 * @module
 */

/** One worker, asked one thing at a time. */
class Side {
  /** @param {string} script @param {number} threads @param {WorkerType} type @param {string} backend */
  constructor(script, threads, type, backend) {
    const url = new URL(`${script}?threads=${threads}&backend=${backend}`, import.meta.url);
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

  /**
   * As `ask`; a worker that has not answered by then is ended, and not to be asked again.
   * @param {number} seconds @param {string} method @param {any[]} args @returns {Promise<any>}
   */
  askWithin(seconds, method, args) {
    const timer = setTimeout(() => {
      this.worker.terminate();
      this.fail?.(new Error(`${method}: no answer within ${seconds} s`));
    }, seconds * 1e3);
    return this.ask(method, args).finally(() => clearTimeout(timer));
  }
}

/** @type {Record<string, Side>} */
const sides = {};

/** What the driver may call. */
const bench = {
  /**
   * @param {string} key @param {string} script @param {number} threads @param {WorkerType} type
   * @param {string} backend
   */
  async open(key, script, threads, type, backend) {
    sides[key] = new Side(script, threads, type, backend);
    return sides[key].ask("open", []);
  },

  /** @param {string} key @param {string} method @param {any[]} args */
  ask: (key, method, ...args) => sides[key].ask(method, args),

  /** @param {number} seconds @param {string} key @param {string} method @param {any[]} args */
  askWithin: (seconds, key, method, ...args) => sides[key].askWithin(seconds, method, args),
};

Object.assign(window, { bench });
