// @ts-check
/**
 * The page that reads the text in a picture: what comes in, what is going on, what came out.
 * @module
 */

import { DeviceView } from "./device.js";
import { takePictures } from "./intake.js";
import { Kernel, KernelError } from "./kernel.js";
import { ResultView } from "./result.js";
import { drawSample } from "./sample.js";
import { Status } from "./status.js";

/** @typedef {import("./messages").PictureRead} PictureRead */
/** @typedef {import("./messages").ReaderOpened} ReaderOpened */
/** @typedef {import("./messages").Started} Started */

/**
 * @template {Element} T
 * @param {string} id
 * @param {{ new (): T }} kind
 * @returns {T}
 */
function part(id, kind) {
  const element = document.getElementById(id);
  if (!(element instanceof kind)) throw new Error(`index.html has no ${kind.name} with id ${id}`);
  return element;
}

const zone = part("zone", HTMLElement);
const result = part("result", HTMLElement);
const figure = part("figure", HTMLElement);
const picture = part("picture", HTMLImageElement);
const cancel = part("cancel", HTMLButtonElement);
const copy = part("copy", HTMLButtonElement);
const scores = part("scores", HTMLButtonElement);
const count = part("count", HTMLElement);
const lines = part("lines", HTMLOListElement);
const facts = part("facts", HTMLElement);
const failure = part("error", HTMLElement);
const retry = part("retry", HTMLButtonElement);

const status = new Status({
  line: part("status", HTMLElement),
  label: part("status-label", HTMLElement),
  bar: part("status-bar", HTMLProgressElement),
  live: part("live", HTMLElement),
});
const view = new ResultView({ figure, boxes: part("boxes", SVGSVGElement), list: lines, facts });
const kernel = new Kernel(["ocr/det", "ocr/rec"], showReadying);

/**
 * What the worker told last, for whoever drives this page: scripts/run.py prints it.
 * @type {{ started: Started | null, opened: ReaderOpened | null, read: PictureRead | null }}
 */
const report = { started: null, opened: null, read: null };
Object.assign(window, { intab: report });

/** @type {AbortController | null} what is being read */
let reading = null;

/** Python up. */
status.ready("start", 0, 1);
const starting = kernel.start(showReadying);

/** Python up and the models compiled. A picture that comes earlier waits for it. */
const ready = getReady();
ready.then(
  () => {
    if (!reading) status.done("Ready");
  },
  (error) => showError(error, { fatal: true }),
);

async function getReady() {
  report.started = await starting;
  report.opened = await kernel.call("open_reader", {}, { progress: showReadying });
}

/** @type {import("./kernel.js").OnProgress} */
function showReadying(stage, done, total) {
  status.ready(stage, done, total);
}

/** @param {File} file */
async function read(file) {
  reading?.abort();
  const mine = new AbortController();
  reading = mine;
  report.read = null;
  showPicture(file);
  try {
    await ready;
    if (mine.signal.aborted) return;
    status.show("Reading", "", null);
    const answer = await kernel.call(
      "read_picture",
      { picture: file, name: file.name },
      { signal: mine.signal, progress: (stage, done, total) => reading === mine && showStep(stage, done, total) },
    );
    if (reading === mine) showAnswer(answer);
  } catch (error) {
    if (reading === mine) showError(error, { fatal: kernel.gone !== null || report.opened === null });
  } finally {
    if (reading === mine) {
      reading = null;
      setBusy(false);
    }
  }
}

/** @param {string} stage @param {number} done @param {number} total */
function showStep(stage, done, total) {
  if (stage === "run") status.show("Reading", "", total > 0 ? done / total : null);
}

/** @param {File} file */
function showPicture(file) {
  URL.revokeObjectURL(picture.src);
  view.clear();
  failure.hidden = true;
  for (const id of ["tools", "empty", "facts"]) part(id, HTMLElement).hidden = true;
  figure.hidden = false;
  picture.alt = `The picture ${file.name}`;
  picture.src = URL.createObjectURL(file);
  result.hidden = false;
  document.body.classList.add("has-picture");
  setBusy(true);
}

/** @param {boolean} busy */
function setBusy(busy) {
  document.body.classList.toggle("busy", busy);
  result.setAttribute("aria-busy", String(busy));
  cancel.hidden = !busy;
}

/** @param {PictureRead} answer */
function showAnswer(answer) {
  report.read = answer;
  view.show(answer);
  facts.hidden = false;
  const found = answer.lines.length;
  part("tools", HTMLElement).hidden = found === 0;
  const empty = part("empty", HTMLElement);
  empty.hidden = found > 0;
  empty.textContent = "There seems to be no text in this picture. If there is, try a sharper or larger one.";
  count.textContent = found === 1 ? "1 line" : `${found} lines`;
  status.done(found === 0 ? "No text found" : `Found ${count.textContent}`, { seen: false });
  if (found > 0) count.focus({ preventScroll: true });
}

/**
 * @param {unknown} error
 * @param {{ fatal: boolean }} options fatal: nothing can be read any more
 */
function showError(error, { fatal }) {
  setBusy(false);
  if (error instanceof KernelError && error.name === "Cancelled") {
    status.done("Cancelled");
    return;
  }
  const { message, trace } = error instanceof KernelError ? error : { message: String(error), trace: "" };
  part("error-title", HTMLElement).textContent = fatal ? "The reader could not start" : "This picture could not be read";
  part("error-message", HTMLElement).textContent = message;
  part("error-trace", HTMLElement).textContent = trace;
  part("error-details", HTMLElement).hidden = !trace;
  retry.hidden = !fatal;
  failure.hidden = false;
  result.hidden = true;
  document.body.classList.remove("has-picture");
  status.done(fatal ? "Not ready" : "Ready for another picture");
}

takePictures({ zone, button: part("choose", HTMLButtonElement), input: part("file", HTMLInputElement) }, read);
part("sample", HTMLButtonElement).addEventListener("click", async () => read(await drawSample()));
cancel.addEventListener("click", () => reading?.abort());
retry.addEventListener("click", () => location.reload());
picture.addEventListener("load", () => view.measure(picture.naturalWidth, picture.naturalHeight));
// A format that Python can read and the browser cannot show still gets its text.
picture.addEventListener("error", () => (figure.hidden = true));
scores.addEventListener("click", () => {
  const shown = lines.classList.toggle("with-scores");
  scores.setAttribute("aria-pressed", String(shown));
});
copy.addEventListener("click", async () => {
  const copied = await navigator.clipboard.writeText(view.text()).then(
    () => true,
    () => false,
  );
  copy.textContent = copied ? "Copied" : "Copying was refused";
  status.announce(copy.textContent);
  setTimeout(() => (copy.textContent = "Copy text"), 2000);
});

new DeviceView(
  {
    section: part("device", HTMLDetailsElement),
    line: part("device-line", HTMLElement),
    table: part("device-table", HTMLTableElement),
    copy: part("device-copy", HTMLButtonElement),
  },
  () => starting.then(() => kernel.probe()),
);
