// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { findNext } from "../../js/tile_keys.js";

// 0 1 2
// 3 4
/** @param {string} key @param {number} at */
const go = (key, at) => findNext(`Arrow${key}`, at, 3, 5);

test("arrows go from tile to tile", () => {
  assert.equal(go("Right", 2), 3);
  assert.equal(go("Left", 3), 2);
  assert.equal(go("Down", 1), 4);
  assert.equal(go("Up", 4), 1);
});

test("up from the first row leads above the tiles", () => {
  for (const at of [0, 1, 2]) assert.equal(go("Up", at), -1);
});

test("nowhere past the ends", () => {
  assert.equal(go("Left", 0), undefined);
  assert.equal(go("Right", 4), undefined);
  assert.equal(go("Down", 2), undefined);
});

test("other keys and no tiles lead nowhere", () => {
  assert.equal(findNext("Enter", 0, 3, 5), undefined);
  assert.equal(findNext("ArrowDown", -1, 0, 0), undefined);
});
