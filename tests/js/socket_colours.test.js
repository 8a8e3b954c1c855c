// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { COLOURS, colour, writeStyle } from "../../js/socket_colours.js";

const DARK = "#353535";
const LIGHT = "#f0f0f0";

/** @param {string} hex */
function measureLight(hex) {
  const parts = [1, 3, 5].map((at) => Number.parseInt(hex.slice(at, at + 2), 16) / 255);
  const [red, green, blue] = parts.map((one) => (one <= 0.03928 ? one / 12.92 : ((one + 0.055) / 1.055) ** 2.4));
  return 0.2126 * red + 0.7152 * green + 0.0722 * blue + 0.05;
}

test("every type of this pack has a colour, and none that another has", () => {
  const sockets = readFileSync(new URL("../../nodes/boundary/sockets.py", import.meta.url), "utf8");
  const types = [...sockets.matchAll(/"(CONSISTENTID_\w+)"/g)].map((match) => match[1]);
  assert.deepEqual(Object.keys(COLOURS).sort(), types.sort());
  assert.equal(new Set(Object.values(COLOURS)).size, types.length);
});

test("every colour is seen on dark and on light nodes", () => {
  for (const [type, own] of Object.entries(COLOURS)) {
    assert.ok(measureLight(own) / measureLight(DARK) >= 3, `${type} on ${DARK}`);
    assert.ok(measureLight(LIGHT) / measureLight(own) >= 3, `${type} on ${LIGHT}`);
  }
});

test("a palette may name another colour, and empties what it does not name", () => {
  /** @type {Record<string, string>} */
  const table = { IMAGE: "blue", CONSISTENTID_FACE: "" };
  colour(table);
  assert.deepEqual({ ...table, ...COLOURS }, { ...table });
  assert.equal(table.IMAGE, "blue");
  assert.equal(table["CONSISTENTID_IDENTITY,CONSISTENTID_PEOPLE"], COLOURS.CONSISTENTID_IDENTITY);
  Object.assign(table, { CONSISTENTID_FACE: "red" });
  assert.equal(table.CONSISTENTID_FACE, "red");
  Object.assign(table, { CONSISTENTID_FACE: "" });
  assert.equal(table.CONSISTENTID_FACE, COLOURS.CONSISTENTID_FACE);
});

test("Nodes 2.0 reads them from a style sheet", () => {
  assert.match(writeStyle(), /^:root \{ --color-datatype-CONSISTENTID_IDENTITY: #e54695;.*\}$/);
});
