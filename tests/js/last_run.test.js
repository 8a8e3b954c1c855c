// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { listResults } from "../../js/last_run.js";

const KINDS = { 1: "ConsistentID_DetectFace", 2: "PreviewImage", 3: "PlaySound" };

/** @param {string} id @param {Record<string, string>} kinds @param {string} text @returns {import("../../js/last_run.js").Run} */
const makeRun = (id, kinds, text) => ({
  prompt: [
    0,
    "",
    Object.fromEntries(Object.entries(kinds).map(([key, class_type]) => [key, { class_type }])),
    { extra_pnginfo: { workflow: { id } } },
  ],
  outputs: Object.fromEntries(Object.keys(kinds).map((key) => [key, { text }])),
});

/** @param {Record<string, string>} kinds @returns {Editor.Graph} */
const makeGraph = (kinds) => ({
  id: "own",
  getNodeById: (key) => /** @type {Editor.Node} */ (key in kinds ? { id: key, comfyClass: kinds[key] } : null),
});

test("the last run of the same workflow, and only nodes whose results are known to be harmless", () => {
  const history = {
    a: makeRun("own", KINDS, "older"),
    b: makeRun("own", KINDS, "newer"),
    c: makeRun("other", KINDS, "other"),
  };
  assert.deepEqual(listResults(history, makeGraph(KINDS)), [
    ["1", { text: "newer" }],
    ["2", { text: "newer" }],
  ]);
});

test("nodes that are gone or of another kind now get nothing, and workflows of others are left alone", () => {
  assert.deepEqual(listResults({ a: makeRun("own", KINDS, "") }, makeGraph({ 1: "LoadImage" })), []);
  assert.deepEqual(listResults({ a: makeRun("own", { 2: "PreviewImage" }, "") }, makeGraph(KINDS)), []);
  assert.deepEqual(listResults({}, makeGraph(KINDS)), []);
});
