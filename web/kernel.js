// @ts-check
/**
 * The page's end of the talk with its kernel worker. The messages are those of ./messages.d.ts.
 * @module
 */

/** @typedef {import("./messages").Methods} Methods */
/** @typedef {import("./messages").ToPage} ToPage */
/** @typedef {import("./messages").ToWorker} ToWorker */
/** @typedef {(stage: string, done: number, total: number) => void} OnProgress */
/**
 * @typedef {object} Pending
 * @property {(value: any) => void} resolve
 * @property {(error: KernelError) => void} reject
 * @property {OnProgress | undefined} progress
 */

/** What went wrong in the worker; `name` is the class of intab.errors, `trace` is for a report. */
export class KernelError extends Error {
  /** @param {string} name @param {string} message @param {string} trace */
  constructor(name, message, trace) {
    super(message);
    this.name = name;
    this.trace = trace;
  }
}

/** As long as the worker itself waits for an answer of the browser. */
const PATIENCE_MS = 5000;

/** The kinds of this page's media devices; or, where the browser throws or does not answer, why there are none. */
async function askForMedia() {
  const late = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS, "late"));
  try {
    const devices = await Promise.race([navigator.mediaDevices?.enumerateDevices(), late]);
    if (devices === "late") throw new Error(`no answer in ${PATIENCE_MS / 1000} s`);
    return { media_kinds: devices?.map((/** @type {MediaDeviceInfo} */ { kind }) => kind) ?? null, media_failure: "" };
  } catch (error) {
    return { media_kinds: null, media_failure: `asking failed (${error})` };
  }
}

/** One kernel worker. */
export class Kernel {
  /**
   * @param {string[]} models names in site.json of the models to download while Python starts
   * @param {OnProgress} progress of those downloads
   */
  constructor(models, progress) {
    const query = new URLSearchParams(models.map((name) => ["model", name]));
    this.progress = progress;
    this.lastId = 0;
    /** @type {Map<number, Pending>} */
    this.pending = new Map();
    /** @type {KernelError | null} why the worker is gone, once it is */
    this.gone = null;
    this.worker = new Worker(new URL(`./worker.js?${query}`, import.meta.url), { type: "module", name: "kernel" });
    this.worker.addEventListener("message", (event) => this.receive(event.data));
    this.worker.addEventListener("error", (event) => this.fail(event.message || "its script could not be loaded"));
  }

  /** Bring Python up. @param {OnProgress} [progress] */
  start(progress) {
    return this.call("start", { navigation_ms: performance.timeOrigin }, { progress });
  }

  /**
   * @template {keyof Methods} M
   * @param {M} method
   * @param {Methods[M]["arguments"]} args
   * @param {{ progress?: OnProgress, signal?: AbortSignal }} [options]
   * @returns {Promise<Methods[M]["result"]>}
   */
  call(method, args, { progress, signal } = {}) {
    const id = ++this.lastId;
    return new Promise((resolve, reject) => {
      if (this.gone) return reject(this.gone);
      this.pending.set(id, { resolve, reject, progress });
      this.send({ kind: "call", id, method, arguments: args });
      signal?.addEventListener("abort", () => this.send({ kind: "cancel", id }), { once: true });
    });
  }

  /** What this device has. A worker cannot see media devices, so the page tells their kinds, which needs no permission. */
  async probe() {
    return this.call("probe_device", await askForMedia());
  }

  /** @param {ToWorker} message */
  send(message) {
    this.worker.postMessage(message);
  }

  /** @param {ToPage} message */
  receive(message) {
    const pending = this.pending.get(message.id);
    if (message.kind === "progress") {
      (pending ? pending.progress : this.progress)?.(message.stage, message.done, message.total);
      return;
    }
    this.pending.delete(message.id);
    if (message.kind === "result") pending?.resolve(message.value);
    else pending?.reject(new KernelError(message.error, message.message, message.trace));
  }

  /** The worker itself is gone. @param {string} reason */
  fail(reason) {
    this.gone = new KernelError("WorkerError", `The kernel worker stopped: ${reason}. Reload the page.`, "");
    for (const { reject } of this.pending.values()) reject(this.gone);
    this.pending.clear();
  }
}
