// Starts the core once and saves its memory: node snapshot.mjs CORE IMPORTS_JSON TARGET
// Modules imported here are in memory when the page starts. None may reach into JavaScript.
import "./failures.mjs";
import { writeFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [core, imports, target] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: core, _makeSnapshot: true });
for (const name of JSON.parse(imports)) {
  pyodide.runPython(`import ${name}`);
}
// The core's own start imports random, whose state would then be the same for every visitor: the page imports it anew,
// seeded there. (tempfile holds its class and no state.)
pyodide.runPython("import gc, sys; sys.modules.pop('random', None); gc.collect()");
writeFileSync(target, pyodide.makeMemorySnapshot());
