// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { enlarge, isSame } from "../../js/first_view.js";

const view = { scale: 0.6, offset: [120, 170] };
/** @param {number} width @param {number} height @param {object} [sidebars] */
const open = (width, height, sidebars) => enlarge(view, { width, height }, { left: 64, right: width, ...sidebars });

test("the window it was drawn for, and smaller ones, show the saved view", () => {
  assert.deepEqual(open(1366, 768), view);
  assert.deepEqual(open(1024, 2000), view);
});

test("a larger window shows it larger, from the same corner", () => {
  const { scale, offset } = open(1920, 1080);
  assert.ok(Math.abs(scale - 0.6 * ((1920 - 142) / (1366 - 142))) < 1e-9, "the narrower side counts");
  assert.ok(Math.abs(offset[0] * scale - 72) < 1e-9 && Math.abs(offset[1] * scale - 102) < 1e-9);
});

test("beside an open sidebar it begins right of it, and is less enlarged; never smaller than it was drawn", () => {
  const { scale, offset } = open(1920, 1080, { left: 376, right: 1600 });
  assert.ok(Math.abs(scale - 0.6) < 1e-9 && Math.abs((offset[0] - 120) * 0.6 - 312) < 1e-9 && offset[1] === 170);
  const wide = open(1920, 1080, { left: 376 });
  assert.ok(Math.abs(wide.scale - 0.6 * ((1850 - 384) / (1366 - 142))) < 1e-9);
  assert.ok(Math.abs(wide.offset[0] * wide.scale - 384) < 1e-9);
});

test("not beyond full size", () => {
  assert.equal(open(3840, 2160).scale, 1);
});

test("a view that was moved is another", () => {
  assert.ok(isSame({ scale: 0.6, offset: [120, 170] }, view));
  assert.ok(!isSame({ scale: 0.6, offset: [121, 170] }, view) && !isSame(undefined, view));
});
