// @ts-check
// What the models panel tells, worked out from the server's answers. Plain functions: they know no page and no editor.

/** @import { ModelTexts } from "./models_texts.js" */

/**
 * A model as `/consistentid/models` gives it. size: bytes, null where not stated.
 * @typedef {{ id: string, title: string, purpose: string, name: string, needed_for: string[], size: number | null,
 *   licence: string, consequence: string, page: string, accepted: boolean, by_hand: string, state: ModelState,
 *   path: string, problem: string }} Model
 * @typedef {"found" | "not verified" | "incomplete" | "wrong size" | "missing"} ModelState
 */

/**
 * A download as `/consistentid/downloads` gives it. done, total: bytes of its file, null where not known yet.
 * @typedef {{ state: "downloading" | "stopping" | "failed", error: string, file: string | null, done: number | null,
 *   total: number | null }} Download
 */

/** @typedef {keyof typeof BASES} Base */
/** @typedef {"both" | "optional" | Base} Group */

export const BASES = { sd15: "SD1.5", sdxl: "SDXL" };
const LACKING = ["missing", "incomplete", "wrong size"];
const STARTABLE = ["missing", "incomplete"];
const SMOOTHING = 0.3; // how much the latest speed counts
const LEAST_MS = 400; // between two measurements
/** @type {[string, number, number][]} */
const UNITS = [
  ["GB", 1e9, 1],
  ["MB", 1e6, 0],
  ["kB", 1e3, 0],
];

/** @returns {Base[]} */
export function listBases() {
  return /** @type {Base[]} */ (Object.keys(BASES));
}

/** @param {number} bytes */
export function formatSize(bytes) {
  const [unit, factor, digits] = UNITS.find(([, least]) => bytes >= least) ?? ["B", 1, 0];
  return `${(bytes / factor).toFixed(digits)} ${unit}`;
}

/**
 * @param {Pick<Model, "needed_for">} model
 * @returns {Group}
 */
export function chooseGroup(model) {
  const bases = listBases().filter((base) => model.needed_for.includes(base));
  return bases.length > 1 ? "both" : (bases[0] ?? "optional");
}

/**
 * What the panel can download of what a base model's portraits still lack.
 * @template {Pick<Model, "needed_for" | "state" | "by_hand">} Known
 * @param {Known[]} models
 * @param {Base} base
 */
export function listWanted(models, base) {
  const needed = models.filter((model) => model.needed_for.includes(base) && !model.by_hand);
  return needed.filter((model) => STARTABLE.includes(model.state));
}

/**
 * What a base model's portraits still lack, and how much is to download.
 * @param {Pick<Model, "needed_for" | "state" | "size" | "path">[]} models
 * @param {Base} base
 * @param {ModelTexts} texts
 */
export function summarise(models, base, texts) {
  const missing = models.filter((model) => model.needed_for.includes(base) && LACKING.includes(model.state));
  if (!missing.length) return texts.nothingMissing(BASES[base]);
  const size = formatSize(missing.reduce((sum, model) => sum + (model.size ?? 0), 0));
  const all = missing.every((model) => model.size);
  const folders = new Set(missing.map((model) => model.path.replace(/[\\/][^\\/]*$/, ""))).size;
  return texts.missing(BASES[base], missing.length, all ? size : texts.atLeast(size), folders);
}

/**
 * Whether the server refused a run since a loader of this pack found no file: its message leads to the panel.
 * @param {any} error as api.queuePrompt throws it
 */
export function lacksModels(error) {
  /** @type {{ class_type?: string, errors?: { details?: string }[] }[]} */
  const nodes = Object.values(error?.response?.node_errors ?? {});
  return nodes.some(
    ({ class_type, errors }) =>
      class_type?.startsWith("ConsistentID_") && errors?.some(({ details }) => details?.includes("'ID models' tab")),
  );
}

/**
 * Which models that portraits need, and that are not there, a workflow names in its widgets.
 * @template {Pick<Model, "name" | "needed_for" | "state">} Known
 * @param {Known[]} models
 * @param {Editor.Graph} graph
 */
export function listLacking(models, graph) {
  const graphs = [graph, ...(graph.subgraphs?.values() ?? [])];
  const widgets = graphs.flatMap(({ nodes }) => nodes ?? []).flatMap((node) => node.widgets ?? []);
  const named = new Set(widgets.map(({ value }) => value));
  const isLacking = (/** @type {Known} */ model) => model.needed_for.length > 0 && LACKING.includes(model.state);
  return models.filter((model) => named.has(model.name) && isLacking(model));
}

/**
 * Measures the speed of a download, file by file: smoothed bytes per second, 0 while unknown.
 * @returns {(file: string, done: number, now: number) => number} now: milliseconds
 */
export function makeSpeedometer() {
  let last = { file: "", done: 0, now: 0, speed: 0 };
  return (file, done, now) => {
    if (last.file !== file || done < last.done) last = { file, done, now, speed: 0 };
    if (now - last.now < LEAST_MS) return last.speed;
    const latest = ((done - last.done) * 1000) / (now - last.now);
    const speed = last.speed ? last.speed + SMOOTHING * (latest - last.speed) : latest;
    last = { file, done, now, speed };
    return speed;
  };
}

/**
 * @param {{ file: string, done: number, total: number | null }} download
 * @param {number} speed bytes per second, 0 while unknown
 * @param {ModelTexts} texts
 */
export function tellProgress({ file, done, total }, speed, texts) {
  const told = speed ? formatSize(speed) : "";
  const sizes = total ? texts.of(formatSize(done), formatSize(total), told) : texts.soFar(formatSize(done), told);
  return `${file}: ${sizes}`;
}
