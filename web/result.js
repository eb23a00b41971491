// @ts-check
/**
 * The picture with a box over each line of text, and the lines beside it.
 * @module
 */

/** @typedef {import("./messages").PictureRead} PictureRead */
/** @typedef {import("./messages").ReadLine} ReadLine */

const SVG = "http://www.w3.org/2000/svg";

/** One answer on the page: pointing at a line shows its box, pointing at a box its line. */
export class ResultView {
  /** @param {{ figure: HTMLElement, boxes: SVGSVGElement, list: HTMLOListElement, facts: HTMLElement }} parts */
  constructor({ figure, boxes, list, facts }) {
    this.figure = figure;
    this.boxes = boxes;
    this.list = list;
    this.facts = facts;
    /** @type {SVGPolygonElement[]} */
    this.polygons = [];
    /** @type {HTMLLIElement[]} */
    this.items = [];
    this.current = -1;
    this.follow(list, "li");
    this.follow(boxes, "polygon");
    boxes.addEventListener("click", (event) => this.focusLine(indexOf(event.target, "polygon")));
    list.addEventListener("focusin", (event) => this.point(indexOf(event.target, "li")));
    list.addEventListener("focusout", () => this.point(-1));
    list.addEventListener("keydown", (event) => this.move(event));
  }

  /** Boxes are in pixels of the picture, whatever size it is shown at. @param {number} width @param {number} height */
  measure(width, height) {
    this.boxes.setAttribute("viewBox", `0 0 ${width} ${height}`);
  }

  /** Show nothing. */
  clear() {
    this.boxes.replaceChildren();
    this.list.replaceChildren();
    this.facts.replaceChildren();
    this.polygons = [];
    this.items = [];
    this.current = -1;
  }

  /** @param {PictureRead} read */
  show(read) {
    this.clear();
    this.polygons = read.lines.map(polygonOf);
    this.items = read.lines.map(itemOf);
    this.items[0]?.setAttribute("tabindex", "0");
    this.boxes.append(...this.polygons);
    this.list.append(...this.items);
    this.facts.append(...factsOf(read));
  }

  /** The text of all lines, as it is copied. */
  text() {
    return this.items.map((item) => item.querySelector(".text")?.textContent ?? "").join("\n");
  }

  /** @param {Element} parent @param {string} selector */
  follow(parent, selector) {
    parent.addEventListener("pointerover", (event) => this.point(indexOf(event.target, selector)));
    parent.addEventListener("pointerleave", () => this.point(-1));
  }

  /** Mark line `index` and its box; -1 marks none. @param {number} index */
  point(index) {
    if (index === this.current) return;
    for (const marked of [this.polygons[this.current], this.items[this.current]]) marked?.classList.remove("current");
    for (const marked of [this.polygons[index], this.items[index]]) marked?.classList.add("current");
    this.current = index;
  }

  /** @param {number} index */
  focusLine(index) {
    const item = this.items[index];
    if (!item) return;
    // The list is one stop of the Tab key; within it the arrow keys move.
    for (const other of this.list.querySelectorAll("[tabindex='0']")) other.setAttribute("tabindex", "-1");
    item.setAttribute("tabindex", "0");
    item.focus();
    item.scrollIntoView({ block: "nearest" });
  }

  /** @param {KeyboardEvent} event */
  move(event) {
    const index = indexOf(event.target, "li");
    const last = this.items.length - 1;
    const targets = /** @type {Record<string, number>} */ ({
      ArrowDown: Math.min(last, index + 1),
      ArrowUp: Math.max(0, index - 1),
      Home: 0,
      End: last,
    });
    if (!(event.key in targets)) return;
    event.preventDefault();
    this.focusLine(targets[event.key]);
  }
}

/** Which line an event is about; -1 for none. @param {EventTarget | null} target @param {string} selector */
function indexOf(target, selector) {
  const element = target instanceof Element ? target.closest(`${selector}[data-line]`) : null;
  return element ? Number(element.getAttribute("data-line")) : -1;
}

/** @param {ReadLine} line @param {number} index */
function polygonOf(line, index) {
  const polygon = document.createElementNS(SVG, "polygon");
  polygon.setAttribute("points", line.box.map(([x, y]) => `${x},${y}`).join(" "));
  polygon.setAttribute("data-line", String(index));
  return polygon;
}

/** @param {ReadLine} line @param {number} index */
function itemOf(line, index) {
  const item = document.createElement("li");
  item.tabIndex = -1;
  item.dataset.line = String(index);
  const text = document.createElement("span");
  text.className = "text";
  text.textContent = line.text;
  const score = document.createElement("span");
  score.className = "score";
  score.textContent = `${(100 * line.score).toFixed(1)} %`;
  item.append(text, score);
  return item;
}

/** @param {PictureRead} read */
function factsOf(read) {
  const { timings } = read;
  const summary = document.createElement("summary");
  summary.textContent = `Read in ${seconds(timings.total_ms)} on ${read.backend}`;
  const table = document.createElement("dl");
  const rows = /** @type {[string, number][]} */ ([
    ["Opening the picture", timings.open_ms],
    ["Finding lines", timings.detect_ms],
    ["Reading lines", timings.recognise_ms],
    ["Picture work around them", timings.around_ms],
  ]);
  for (const [name, ms] of rows) {
    const term = document.createElement("dt");
    const value = document.createElement("dd");
    term.textContent = name;
    value.textContent = `${Math.round(ms)} ms`;
    table.append(term, value);
  }
  return [summary, table];
}

/** @param {number} ms */
function seconds(ms) {
  return `${(ms / 1000).toFixed(2)} s`;
}
