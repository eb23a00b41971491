// @ts-check
/**
 * The ways by which a picture comes in: a file picker, a drop anywhere on the page, a paste.
 * @module
 */

/** The first file that was dropped or pasted; its kind is judged by whoever reads it. @param {DataTransfer | null} data */
function fileOf(data) {
  return data?.files[0] ?? null;
}

/**
 * @param {{ zone: HTMLElement, button: HTMLButtonElement, input: HTMLInputElement }} parts
 * @param {(file: File) => void} take
 */
export function takePictures({ zone, button, input }, take) {
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    const file = input.files?.[0];
    input.value = ""; // so that choosing the same file once more is a change too
    if (file) take(file);
  });
  document.addEventListener("paste", (event) => {
    const file = fileOf(event.clipboardData);
    if (!file) return;
    event.preventDefault();
    take(file);
  });
  takeDrops(zone, take);
}

/**
 * @param {HTMLElement} zone shows that a drop would be taken
 * @param {(file: File) => void} take
 */
function takeDrops(zone, take) {
  let depth = 0; // dragenter and dragleave also come for every element inside
  /** @param {number} change */
  const enter = (change) => {
    depth += change;
    zone.classList.toggle("dragged", depth > 0);
  };
  document.addEventListener("dragenter", (event) => event.dataTransfer?.types.includes("Files") && enter(1));
  document.addEventListener("dragleave", (event) => event.dataTransfer?.types.includes("Files") && enter(-1));
  document.addEventListener("dragover", (event) => event.preventDefault());
  document.addEventListener("drop", (event) => {
    event.preventDefault();
    enter(-depth);
    const file = fileOf(event.dataTransfer);
    if (file) take(file);
  });
}
