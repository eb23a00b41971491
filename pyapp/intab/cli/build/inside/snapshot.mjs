// Starts the core once and saves its memory: node snapshot.mjs CORE IMPORTS_JSON TARGET
// Modules imported here are in memory when the page starts. None may hold chance (random, secrets, tempfile, uuid:
// every visitor would get the same) or reach into JavaScript.
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [core, imports, target] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: core, _makeSnapshot: true });
for (const name of JSON.parse(imports)) {
  pyodide.runPython(`import ${name}`);
}
pyodide.runPython("import gc; gc.collect()");
writeFileSync(target, pyodide.makeMemorySnapshot());
