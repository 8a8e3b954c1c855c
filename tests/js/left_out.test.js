// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { readWords, toggleWord } from "../../js/left_out.js";

test("words are read as a user writes them", () => {
  assert.deepEqual(readWords(" Nose ,left ear,, "), ["nose", "left ear"]);
  for (const nothing of ["", " , ", null, undefined]) assert.deepEqual(readWords(nothing), []);
});

test("a word is added once and taken away wholly", () => {
  assert.equal(toggleWord("", "nose"), "nose");
  assert.equal(toggleWord("nose", "left ear"), "nose, left ear");
  assert.equal(toggleWord("NOSE, left ear, nose", "nose"), "left ear");
  assert.equal(toggleWord("left ear", "ear"), "left ear, ear", "part of another word");
});
