// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import * as models from "../../js/models_texts.js";
import * as nodes from "../../js/node_texts.js";

/** @param {object} texts @returns {[string, unknown][]} texts and functions by the path to them */
function listTexts(texts, path = "") {
  return Object.entries(texts).flatMap(([key, text]) =>
    typeof text === "object" ? listTexts(text, `${path}${key}.`) : [[`${path}${key}`, text]],
  );
}

for (const [name, { ENGLISH, CHINESE }] of Object.entries({ models, nodes })) {
  test(`the ${name}' texts are there in both languages and tell the same things`, () => {
    const chinese = new Map(listTexts(CHINESE));
    assert.deepEqual(
      [...chinese.keys()].sort(),
      listTexts(ENGLISH)
        .map(([path]) => path)
        .sort(),
    );
    for (const [path, text] of listTexts(ENGLISH)) {
      const twin = chinese.get(path);
      if (typeof text !== "function" || typeof twin !== "function") {
        assert.ok(text && twin, path);
        continue;
      }
      const told = ["7a1", "8b2", "9c3", "1d4"].slice(0, text.length);
      for (const part of told) assert.ok(twin(...told).includes(part) && text(...told).includes(part), path);
    }
  });
}

test("no speed, no comma for it", () => {
  for (const { of, soFar } of [models.ENGLISH, models.CHINESE]) {
    assert.match(of("1 MB", "2 MB", ""), /2 MB$/);
    assert.match(soFar("1 MB", ""), /1 MB$/);
  }
});
