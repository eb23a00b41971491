// @ts-check
/**
 * The section “This device”: what the kernel worker finds out about it, asked when the section is first opened.
 * @module
 */

/** @typedef {import("./messages").DeviceProbed} DeviceProbed */
/** @typedef {import("./messages").DeviceRow} DeviceRow */

/** One table of the device, with what is missing, why, and what would bring it. */
export class DeviceView {
  /**
   * @param {{ section: HTMLDetailsElement, line: HTMLElement, table: HTMLTableElement, copy: HTMLButtonElement }} parts
   * @param {() => Promise<DeviceProbed>} probe
   */
  constructor({ section, line, table, copy }, probe) {
    this.line = line;
    this.table = table;
    this.copy = copy;
    this.probe = probe;
    this.text = "";
    this.asked = false;
    section.addEventListener("toggle", () => section.open && this.open());
    copy.addEventListener("click", () => this.copyText());
  }

  /** Ask, unless it has been asked already; after a failure the next opening asks again. */
  async open() {
    if (this.asked) return;
    this.asked = true;
    this.line.textContent = "Asking the device …";
    try {
      this.show(await this.probe());
    } catch (error) {
      this.asked = false;
      this.line.textContent = error instanceof Error ? error.message : String(error);
    }
  }

  /** @param {DeviceProbed} probed */
  show({ rows, text }) {
    this.text = text;
    this.table.replaceChildren(...groupsOf(rows));
    const missing = rows.filter(({ has }) => has === false).length;
    this.line.textContent = missing === 0 ? "Nothing is missing." : `Missing: ${missing}. Each row says why.`;
    this.table.hidden = false;
    this.copy.hidden = false;
  }

  async copyText() {
    const copied = await navigator.clipboard.writeText(this.text).then(
      () => true,
      () => false,
    );
    this.line.textContent = copied ? "Copied." : "Copying was refused.";
  }
}

/** @param {DeviceRow[]} rows in the order of their groups */
function groupsOf(rows) {
  /** @type {Map<string, HTMLTableSectionElement>} */
  const groups = new Map();
  for (const row of rows) {
    const group = groups.get(row.group) ?? headed(row.group);
    groups.set(row.group, group);
    group.append(lineOf(row));
  }
  return groups.values();
}

/** @param {string} name */
function headed(name) {
  const group = document.createElement("tbody");
  const head = cell("th", name);
  head.scope = "rowgroup";
  head.colSpan = 2;
  group.insertRow().append(head);
  return group;
}

/** @param {DeviceRow} row */
function lineOf(row) {
  const line = document.createElement("tr");
  if (row.has !== null) line.className = row.has ? "there" : "missing";
  const name = cell("th", row.name);
  name.scope = "row";
  const value = cell("td", row.value);
  if (row.note) {
    const note = document.createElement("p");
    note.textContent = row.note;
    value.append(note);
  }
  line.append(name, value);
  return line;
}

/** @param {"th" | "td"} kind @param {string} text */
function cell(kind, text) {
  const made = document.createElement(kind);
  made.textContent = text;
  return made;
}
