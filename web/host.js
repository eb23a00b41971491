// @ts-check
/**
 * A kernel worker without a user interface, for `intab run`: what it answers is put where the command line looks.
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
async function call(method, args) {
  try {
    const value = await kernel.call(method, args);
    if ("fetches" in value && value.fetches) {
      // Too big for the way by which the driver reads values; the server of the command line keeps it.
      await fetch("./-/fetches", { method: "PUT", body: value.fetches });
      value.fetches = null;
    }
    return { value };
  } catch (error) {
    if (error instanceof KernelError) return { error: { name: error.name, message: error.message, trace: error.trace } };
    return { error: { name: "PageError", message: String(error), trace: "" } };
  }
}

Object.assign(window, { intab: { call, started: kernel.start().then((value) => ({ value }), String) } });
