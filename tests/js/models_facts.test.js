// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import {
  chooseGroup,
  formatSize,
  lacksModels,
  listLacking,
  listWanted,
  makeSpeedometer,
  summarise,
  tellProgress,
} from "../../js/models_facts.js";
import { CHINESE, ENGLISH } from "../../js/models_texts.js";

test("sizes have the largest unit that they fill", () => {
  const sizes = [0, 999, 1000, 1499, 999_400, 1e6, 999e6, 1e9, 2_460_000_000];
  const told = ["0 B", "999 B", "1 kB", "1 kB", "999 kB", "1 MB", "999 MB", "1.0 GB", "2.5 GB"];
  assert.deepEqual(sizes.map(formatSize), told);
});

test("a model stands in the group of its bases", () => {
  /** @param {...string} needed_for */
  const group = (...needed_for) => chooseGroup({ needed_for });
  assert.equal(group("sd15"), "sd15");
  assert.equal(group("captions", "sdxl"), "sdxl");
  assert.equal(group("sdxl", "sd15"), "both");
  assert.equal(group("captions"), "optional");
  assert.equal(group(), "optional");
});

/** @typedef {Parameters<typeof summarise>[0]} Models */

test("what is missing is counted for one base, with its size", () => {
  /** @type {Models} */
  const models = [
    { needed_for: ["sd15"], state: "missing", size: 1.5e9, path: "models/a/x.bin" },
    { needed_for: ["sd15", "sdxl"], state: "incomplete", size: 5e8, path: "models/b/y" },
    { needed_for: ["sd15"], state: "not verified", size: 7e9, path: "models/c/z" },
    { needed_for: ["likeness"], state: "missing", size: 9e9, path: "models/d/z" },
  ];
  assert.equal(summarise(models, "sd15", ENGLISH), "SD1.5: 2 missing, 2.0 GB, in 2 folders, besides a checkpoint");
  assert.equal(summarise(models, "sdxl", ENGLISH), "SDXL: 1 missing, 500 MB, in 1 folder, besides a checkpoint");
  assert.equal(summarise(models, "sdxl", CHINESE), "SDXL：除 Checkpoint 外缺 1 个，500 MB，1 个文件夹");
  models[1].size = null;
  assert.equal(
    summarise(models, "sd15", ENGLISH),
    "SD1.5: 2 missing, at least 1.5 GB, in 2 folders, besides a checkpoint",
  );
  assert.equal(summarise([], "sd15", ENGLISH), "SD1.5: nothing is missing");
});

test("one button gets what is missing of a base and comes without a browser", () => {
  const models = [
    { needed_for: ["sd15"], state: "missing", by_hand: "" },
    { needed_for: ["sd15"], state: "missing", by_hand: "Get it by hand" },
    { needed_for: ["sdxl", "sd15"], state: "incomplete", by_hand: "" },
    { needed_for: ["sd15"], state: "wrong size", by_hand: "" },
    { needed_for: ["sd15"], state: "found", by_hand: "" },
  ];
  const typed = /** @type {Parameters<typeof listWanted>[0]} */ (models);
  assert.deepEqual(listWanted(typed, "sd15"), [models[0], models[2]]);
  assert.deepEqual(listWanted(typed, "sdxl"), [models[2]]);
});

test("a run that lacks a model of ours is told from other refusals", () => {
  const details = "buffalo_l was not found. Download it in the 'ID models' tab of ComfyUI's sidebar";
  /** @param {string} class_type @param {string} details */
  const refuse = (class_type, details) => ({ response: { node_errors: { 7: { class_type, errors: [{ details }] } } } });
  assert.ok(lacksModels(refuse("ConsistentID_LoadAdapter", details)));
  assert.ok(!lacksModels(refuse("ConsistentID_LoadAdapter", "weight is too high")));
  assert.ok(!lacksModels(refuse("LoadImage", details)));
  for (const other of [new Error("no network"), { response: { node_errors: [] } }, {}, null])
    assert.ok(!lacksModels(other));
});

test("what a workflow lacks is named by its widgets, also inside subgraphs, and is needed for portraits", () => {
  const [parser, adapter, other, there, dino] = [
    { name: "face_parsing.pth", needed_for: ["sd15", "sdxl"], state: "missing" },
    { name: "ConsistentID-v1.bin", needed_for: ["sd15"], state: "incomplete" },
    { name: "ConsistentID_SDXL-v1.bin", needed_for: ["sdxl"], state: "missing" },
    { name: "buffalo_l", needed_for: ["sd15", "sdxl"], state: "found" },
    { name: "dinov2-base", needed_for: [], state: "missing" },
  ];
  /** @param {string[]} values */
  const makeGraph = (...values) => ({ nodes: [{ widgets: values.map((value) => ({ value })) }, {}] });
  const inner = makeGraph(parser.name, there.name, dino.name);
  const graph = { ...makeGraph(adapter.name), subgraphs: new Map([["s", inner]]) };
  const models = /** @type {Parameters<typeof listLacking>[0]} */ ([parser, adapter, other, there, dino]);
  const opened = /** @type {Editor.Graph} */ (/** @type {unknown} */ (graph));
  assert.deepEqual(listLacking(models, opened), [parser, adapter]);
});

test("speed is known after a while, smoothed, and measured anew for each file", () => {
  const measure = makeSpeedometer();
  assert.equal(measure("a", 1000, 5000), 0);
  assert.equal(measure("a", 2000, 5399), 0, "too soon to tell");
  assert.equal(measure("a", 3000, 6000), 2000);
  assert.equal(measure("a", 4000, 6399), 2000, "the last one counts until the next");
  assert.equal(measure("a", 7000, 7000), 2000 + 0.3 * (4000 - 2000));
  assert.equal(measure("b", 7500, 8000), 0, "another file");
  assert.equal(measure("b", 8500, 9000), 1000);
  assert.equal(measure("b", 100, 10_000), 0, "begun again");
});

test("progress names the file, what has come and how fast", () => {
  const download = { file: "a.bin", done: 5e8, total: 2e9 };
  assert.equal(tellProgress(download, 3e6, ENGLISH), "a.bin: 500 MB of 2.0 GB, 3 MB/s");
  assert.equal(tellProgress(download, 0, ENGLISH), "a.bin: 500 MB of 2.0 GB");
  assert.equal(tellProgress({ ...download, total: null }, 3e6, ENGLISH), "a.bin: 500 MB, 3 MB/s");
  assert.equal(tellProgress(download, 3e6, CHINESE), "a.bin: 500 MB / 2.0 GB，3 MB/秒");
});
