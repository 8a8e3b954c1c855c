// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { listChosen, placeBox } from "../../js/face_choice.js";

/** @type {import("../../js/face_choice.js").FoundFace[]} */
const faces = [true, false, false].map((half) => ({ box: [0, 0, 1, 1], about: "", half }));
const photo = { faces, orders: { largest: [2, 0, 1], "left to right": [0, 1, 2] } };

test("a face of the chosen order is taken", () => {
  assert.deepEqual(listChosen(photo, "largest", 0), [2]);
  assert.deepEqual(listChosen(photo, "largest", 2), [1]);
  assert.deepEqual(listChosen(photo, "left to right", 0), [0]);
});

test("a face that is not there is not taken", () => {
  assert.deepEqual(listChosen(photo, "largest", 3), []);
});

test("all faces are those that the border does not cut", () => {
  assert.deepEqual(listChosen(photo, "all", 0), [1, 2]);
});

test("a box is placed in percent of the photo", () => {
  assert.deepEqual(placeBox([0.25, 0, 0.75, 0.5]), {
    left: "25%",
    top: "0%",
    width: "calc(75% - 25%)",
    height: "calc(50% - 0%)",
  });
});
