// @ts-check
/**
 * A picture of text to try the page with, drawn here so that none has to be shipped.
 * @module
 */

const WIDTH = 900;
const HEIGHT = 640;
const LEFT = 130;
const RIGHT = 690;
/** Font, baseline, text at the left, text that ends at the right. */
const LINES = /** @type {[string, number, string, string][]} */ ([
  ["600 46px Georgia, serif", 112, "The Lighthouse Café", ""],
  ["italic 26px Georgia, serif", 156, "Open daily from 7:30 to 18:00", ""],
  ["28px Verdana, sans-serif", 240, "Flat white", "3.80"],
  ["28px Verdana, sans-serif", 292, "Cinnamon bun", "4.20"],
  ["28px Verdana, sans-serif", 344, "Toast with marmalade", "5.50"],
  ["28px Verdana, sans-serif", 396, "Soup of the day", "8.90"],
  ["22px 'Courier New', monospace", 480, "Table 12, served by Noor, 14 March", ""],
  ["22px 'Courier New', monospace", 516, "Thank you, and mind the step!", ""],
]);

/** @returns {Promise<File>} */
export async function drawSample() {
  const canvas = new OffscreenCanvas(WIDTH, HEIGHT);
  const context = /** @type {OffscreenCanvasRenderingContext2D} */ (canvas.getContext("2d"));
  const paper = context.createLinearGradient(0, 0, WIDTH, HEIGHT);
  paper.addColorStop(0, "#fbf6ea");
  paper.addColorStop(1, "#e9dfc8");
  context.fillStyle = "#6b5d4a";
  context.fillRect(0, 0, WIDTH, HEIGHT);
  context.translate(WIDTH / 2, HEIGHT / 2);
  context.rotate(-0.035); // a paper on a table lies a little askew
  context.translate(-WIDTH / 2, -HEIGHT / 2);
  context.fillStyle = paper;
  context.fillRect(70, 40, WIDTH - 140, HEIGHT - 80);
  context.fillStyle = "#2c2620";
  for (const [font, y, left, right] of LINES) {
    context.font = font;
    context.fillText(left, LEFT, y);
    context.fillText(right, RIGHT - context.measureText(right).width, y);
  }
  return new File([await canvas.convertToBlob({ type: "image/png" })], "sample.png", { type: "image/png" });
}
