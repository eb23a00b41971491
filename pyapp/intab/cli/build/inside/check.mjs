// Starts the finished core as the page does and imports its packages: node check.mjs CORE SNAPSHOT|none PACKAGES IMPORTS
// Prints one JSON line with the times. Exits 1 when anything is amiss.
import "./failures.mjs";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";
import { gunzipSync } from "node:zlib";

const [core, snapshot, packages, imports] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);

/** @type {Record<string, unknown>} */
const options = { indexURL: core };
if (snapshot !== "none") {
  options._loadSnapshot = Promise.resolve(new Uint8Array(gunzipSync(readFileSync(snapshot))));
}
const start = performance.now();
const pyodide = await loadPyodide(options);
const core_ms = Math.round(performance.now() - start);
/** @type {string[]} */
const failures = [];
await pyodide.loadPackage(JSON.parse(packages), {
  messageCallback: () => {},
  errorCallback: (/** @type {string} */ message) => failures.push(message),
});
for (const name of JSON.parse(imports)) {
  pyodide.runPython(`import ${name}`);
}
if (failures.length > 0) {
  console.error(failures.join("\n"));
  process.exit(1);
}
const ready_ms = Math.round(performance.now() - start);
console.log(JSON.stringify({ core_ms, ready_ms, chance: pyodide.runPython("import random; random.random()") }));
