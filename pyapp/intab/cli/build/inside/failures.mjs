// Imported first by every script here: say in a few lines why it failed. Node itself would quote the line that threw,
// and Pyodide's is a megabyte long.
/** @param {unknown} error */
function fail(error) {
  const text = error instanceof Error ? error.message : String(error);
  console.error(text.slice(-4000));
  process.exit(1);
}
process.on("uncaughtException", fail);
process.on("unhandledRejection", fail);
