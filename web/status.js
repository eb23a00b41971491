// @ts-check
/**
 * The one line that says what is going on, and its bar.
 * @module
 */

const MEGABYTE = 1e6;

/**
 * How the bar is shared among the stages of getting ready, in their order, by what each takes on a fast line.
 * @type {Record<string, { from: number, to: number, say: string }>}
 */
const READYING = {
  download: { from: 0, to: 0.5, say: "Downloading" },
  start: { from: 0.5, to: 0.75, say: "Starting Python" },
  compile: { from: 0.75, to: 1, say: "Compiling the models for this device" },
};

/** The status line: seen as text and bar, heard only when the stage changes. */
export class Status {
  /** @param {{ line: HTMLElement, label: HTMLElement, bar: HTMLProgressElement, live: HTMLElement }} parts */
  constructor({ line, label, bar, live }) {
    this.line = line;
    this.label = label;
    this.bar = bar;
    this.live = live;
    /** @type {Map<string, { done: number, total: number }>} */
    this.stages = new Map();
    this.scheduled = false;
  }

  /**
   * Take a step of getting ready. Painted once a frame, however many steps come.
   * @param {string} stage @param {number} done @param {number} total
   */
  ready(stage, done, total) {
    this.stages.set(stage, { done, total });
    if (this.scheduled) return;
    this.scheduled = true;
    requestAnimationFrame(() => {
      this.scheduled = false;
      if (this.stages.size) this.paintReadying();
    });
  }

  paintReadying() {
    const download = this.stages.get("download");
    const downloading = download !== undefined && download.done < download.total;
    const last = this.stages.has("compile") ? "compile" : "start";
    const { say } = READYING[downloading ? "download" : last];
    const counted = downloading ? ` (${megabytes(download.done)} of ${megabytes(download.total)} MB)` : "";
    this.show(say, counted, this.readyingShare());
  }

  /** How much of getting ready is done, 0..1: the stages overlap, so each fills its own share. */
  readyingShare() {
    let share = 0;
    for (const [stage, { from, to }] of Object.entries(READYING)) {
      const { done, total } = this.stages.get(stage) ?? { done: 0, total: 0 };
      share += (to - from) * (total > 0 ? Math.min(1, done / total) : 0);
    }
    return share;
  }

  /** @param {string} say heard and seen @param {string} more only seen @param {number | null} share 0..1, null: unknown */
  show(say, more, share) {
    this.line.hidden = false;
    this.label.textContent = say + more;
    if (share === null) this.bar.removeAttribute("value");
    else this.bar.value = share;
    this.bar.hidden = false;
    this.announce(say);
  }

  /** End with a word and no bar. @param {string} say @param {{ seen?: boolean }} [options] seen: on the page too */
  done(say, { seen = true } = {}) {
    this.stages.clear();
    this.line.hidden = !seen;
    this.label.textContent = say;
    this.bar.hidden = true;
    this.announce(say);
  }

  /** Say something to a screen reader, once. @param {string} say */
  announce(say) {
    if (this.live.textContent !== say) this.live.textContent = say;
  }
}

/** @param {number} nbytes */
function megabytes(nbytes) {
  return (nbytes / MEGABYTE).toFixed(1);
}
