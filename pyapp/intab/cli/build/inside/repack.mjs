// Runs repack.py in Pyodide's own Python: node repack.mjs CORE REPACK_PY JOBS_JSON
import "./failures.mjs";
import { readFileSync } from "node:fs";
import { pathToFileURL } from "node:url";

const [core, program, jobs] = process.argv.slice(2);
const { loadPyodide } = await import(pathToFileURL(`${core}/pyodide.mjs`).href);
const pyodide = await loadPyodide({ indexURL: core });

// Jobs name files of this machine by absolute paths; they are found below /host.
pyodide.FS.mkdirTree("/host");
pyodide.FS.mount(pyodide.FS.filesystems.NODEFS, { root: "/" }, "/host");
pyodide.FS.writeFile("/home/pyodide/repack.py", readFileSync(program));
pyodide.globals.set("jobs", readFileSync(jobs, "utf8"));
pyodide.runPython("import repack; repack.run(jobs)");
