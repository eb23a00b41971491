// @ts-check
/**
 * A kernel worker without a user interface, for `intab run` and `intab doctor`: what it answers is put where the command line looks.
 * @module
 */

import { Kernel, KernelError } from "./kernel.js";

/** @typedef {{ value?: any, error?: { name: string, message: string, trace: string } }} Outcome */

const kernel = new Kernel([], () => undefined);

/**
 * @template {keyof import("./messages").Methods} M
 * @param {M} method
 * @param {import("./messages").Methods[M]["arguments"]} args
 * @returns {Promise<Outcome>}
 */
function call(method, args) {
  return outcome(
    kernel.call(method, args).then(async (value) => {
      if ("fetches" in value && value.fetches) {
        // Too big for the way by which the driver reads values; the server of the command line keeps it.
        const kept = await fetch("./-/fetches", { method: "PUT", body: value.fetches });
        if (!kept.ok) throw new Error(`the outputs were not taken: ${kept.status} ${kept.statusText}`);
        value.fetches = null;
      }
      return value;
    }),
  );
}

/**
 * @param {Promise<any>} work
 * @returns {Promise<Outcome>}
 */
async function outcome(work) {
  try {
    return { value: await work };
  } catch (error) {
    if (error instanceof KernelError) return { error: { name: error.name, message: error.message, trace: error.trace } };
    return { error: { name: "PageError", message: String(error), trace: "" } };
  }
}

const probe = () => outcome(kernel.probe());

Object.assign(window, { intab: { call, probe, started: outcome(kernel.start()) } });
