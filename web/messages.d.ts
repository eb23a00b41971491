// Written by scripts/declare_messages.py from pyapp/intab/browser/messages.py; do not edit.

/** Bring Python up. navigation_ms: when the page's navigation began, in ms since the epoch. */
export interface Start {
  navigation_ms: number;
}

/** snapshot: "used", or why not. marks: ms from the navigation to each milestone, in order. */
export interface Started {
  intab: string;
  python: string;
  pyodide: string;
  snapshot: string;
  marks: Record<string, number>;
}

/** Load and compile the models that read text. backend: "auto" or the name of one. */
export interface OpenReader {
  backend?: string;
}

/** What reads, and how long it took to get it: load is fetch and parse, compile is up to runnable kernels. */
export interface ReaderOpened {
  backend: string;
  adapter: string;
  threads: number;
  load_ms: number;
  compile_ms: number;
}

/** Read the text in `picture`; `name` is used in messages. */
export interface ReadPicture {
  picture: Blob;
  name: string;
}

/** One line of text. box [4][2]: its corners, x then y, clockwise from top left. score in 0..1. */
export interface ReadLine {
  text: string;
  score: number;
  box: number[][];
}

/** Where the time went. open: decode the picture. around: the picture work before, between, after the models. */
export interface ReadTimings {
  open_ms: number;
  detect_ms: number;
  recognise_ms: number;
  around_ms: number;
  total_ms: number;
}

/** The lines in reading order; empty when there is no text. */
export interface PictureRead {
  lines: ReadLine[];
  backend: string;
  timings: ReadTimings;
}

/** Run the model at URL `model`. feeds: URL of an .npz, or null for made-up ones. dims: sizes of symbols. threads: null to have them chosen. profile: look into the last run afterwards. */
export interface RunModel {
  model: string;
  feeds?: string | null;
  dims?: Record<string, number>;
  backend?: string;
  threads?: number | null;
  repeat?: number;
  fetch?: boolean;
  profile?: boolean;
}

/** How it went; the keys of `intab run --json`. fetches: an .npz with every output when they were asked for. profile: a table of where the time goes, and trace the same as a Chrome trace, when they were asked for. */
export interface ModelRun {
  backend: string;
  adapter: string;
  threads: number;
  load_ms: number;
  compile_ms: number;
  first_run_ms: number;
  run_ms: number[];
  peak_nbytes: number;
  steps: number;
  kernels: number;
  fetches: Uint8Array<ArrayBuffer> | null;
  profile: string | null;
  trace: string | null;
}

/** Time other shapes of the kernels of the model at URL `model` on the GPU, for `budget` seconds. feeds: URL of an .npz, or null for made-up ones. dims: sizes of symbols. */
export interface TuneModel {
  model: string;
  feeds?: string | null;
  dims?: Record<string, number>;
  budget?: number;
}

/** Of a problem of the model: the shape that was taken, the one found fastest, and the ms of all `steps` with it. */
export interface TunedProduct {
  problem: string;
  steps: number;
  default: string;
  best: string;
  default_ms: number;
  best_ms: number;
  tried: number;
  refused: string[];
}

/** What was found, and kept in this browser. text: the same as a table. before_ms and after_ms: runs as the model was loaded first, and loaded anew with what was found. */
export interface ModelTuned {
  adapter: string;
  seconds: number;
  products: TunedProduct[];
  left: number;
  text: string;
  before_ms: number[];
  after_ms: number[];
}

/** Say what this device has. media_kinds: `kind` of each of the page's media devices; null without mediaDevices. media_failure: why the page could not ask for them; empty where it could. */
export interface ProbeDevice {
  media_kinds: string[] | null;
  media_failure: string;
}

/** One row of the table. has: null where that is no question. note: why it is not there, and what would bring it. */
export interface DeviceRow {
  group: string;
  name: string;
  value: string;
  has: boolean | null;
  note: string;
}

/** The table by groups, the same as text, and as data: the fields of intab.Device. */
export interface DeviceProbed {
  rows: DeviceRow[];
  text: string;
  device: Record<string, any>;
}

/** Page to worker: do `method` with `arguments`, an object with the fields of its row in METHODS. */
export interface Call {
  kind: "call";
  id: number;
  method: string;
  arguments: Record<string, any>;
}

/** Page to worker: the call `id` is no longer wanted. */
export interface Cancel {
  kind: "cancel";
  id: number;
}

/** Worker to page: how far the call `id` is. Stage is "download" (bytes), "start", "compile" or "run" (steps). An id of 0 belongs to no call: the downloads that the worker began by itself. A total of 0 is not known. */
export interface Progress {
  kind: "progress";
  id: number;
  stage: string;
  done: number;
  total: number;
}

/** Worker to page: the call `id` ended well; `value` has the fields of its row in METHODS. */
export interface Result {
  kind: "result";
  id: number;
  value: any;
}

/** Worker to page: the call `id` ended badly. `error` is the class of intab.errors; `trace` is for a report. */
export interface Failure {
  kind: "failure";
  id: number;
  error: string;
  message: string;
  trace: string;
}

/** What each method takes and gives. */
export interface Methods {
  start: { arguments: Start; result: Started };
  open_reader: { arguments: OpenReader; result: ReaderOpened };
  read_picture: { arguments: ReadPicture; result: PictureRead };
  run_model: { arguments: RunModel; result: ModelRun };
  tune_model: { arguments: TuneModel; result: ModelTuned };
  probe_device: { arguments: ProbeDevice; result: DeviceProbed };
}

export type ToWorker = Call | Cancel;
export type ToPage = Progress | Result | Failure;
export type Ending = Result | Failure;
