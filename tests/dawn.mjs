// Compiles each of the WGSL texts on stdin (a JSON array) on Dawn's null device; prints a JSON array of complaints.
import { readFileSync } from "node:fs";
import { create } from "webgpu";

const gpu = create(["backend=null"]);
const adapter = await gpu.requestAdapter();
const wanted = ["shader-f16", "subgroups"];
const missing = wanted.filter((feature) => !adapter?.features.has(feature));
if (missing.length > 0) throw new Error(`Dawn's null adapter lacks ${missing.join(", ")}`);
const device = await adapter.requestDevice({ requiredFeatures: wanted });

const complaints = [];
for (const [number, code] of JSON.parse(readFileSync(0, "utf8")).entries()) {
  device.pushErrorScope("validation");
  const module = device.createShaderModule({ code });
  const error = await device.popErrorScope();
  const { messages } = await module.getCompilationInfo();
  const told = messages.filter((message) => message.type === "error").map((message) => message.message);
  if (error || told.length > 0) complaints.push(`shader ${number}: ${told.join("; ") || error.message}`);
}
process.stdout.write(JSON.stringify(complaints), () => process.exit(0));
