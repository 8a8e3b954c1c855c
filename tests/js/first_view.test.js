// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { enlarge, isSame } from "../../js/first_view.js";

const view = { scale: 0.6, offset: [120, 170] };

test("the window it was drawn for, and smaller ones, show the saved view", () => {
  assert.deepEqual(enlarge(view, { width: 1366, height: 768 }), view);
  assert.deepEqual(enlarge(view, { width: 1024, height: 2000 }), view);
});

test("a larger window shows it larger, from the same corner", () => {
  const { scale, offset } = enlarge(view, { width: 1920, height: 1080 });
  assert.ok(Math.abs(scale - 0.6 * ((1920 - 142) / (1366 - 142))) < 1e-9, "the narrower side counts");
  assert.ok(Math.abs(offset[0] * scale - 72) < 1e-9 && Math.abs(offset[1] * scale - 102) < 1e-9);
});

test("not beyond full size", () => {
  assert.equal(enlarge(view, { width: 3840, height: 2160 }).scale, 1);
});

test("a view that was moved is another", () => {
  assert.ok(isSame({ scale: 0.6, offset: [120, 170] }, view));
  assert.ok(!isSame({ scale: 0.6, offset: [121, 170] }, view) && !isSame(undefined, view));
});
