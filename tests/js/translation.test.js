// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { makeTranslate } from "../../js/translation.js";

const NAMES = ["choices", "sockets", "workflows", "models", "results", "errors"];
/** @type {Record<string, string>[]} */
const tables = NAMES.map((name) =>
  JSON.parse(readFileSync(new URL(`../../js/zh/${name}.json`, import.meta.url), "utf8")),
);
const [choices, , , models, results, errors] = tables;
const translate = makeTranslate(results, choices);
const translateError = makeTranslate({ ...models, ...results, ...errors }, choices);

test("every Chinese text names values that its English has, and no more than once", () => {
  for (const table of tables)
    for (const [english, chinese] of Object.entries(table)) {
      const given = english.split("{}").length - 1;
      const told = [...chinese.matchAll(/\{=?(\d)\}/g)].map((match) => Number(match[1]));
      assert.ok(told.every((number) => number < given) && new Set(told).size === told.length, english);
    }
});

test("a report is translated line by line, with its numbers and the words of regions", () => {
  const report =
    "2 found; took the largest: score 0.87, box [1, 2, 3, 4], seen at 640 px, quality 0.90, male, about 33 years.";
  assert.equal(
    translate(report),
    "找到 2 张；选用最大的：得分 0.87, 框 [1, 2, 3, 4], 检测尺寸 640 像素, 质量 0.90, 男, 约 33 岁。",
  );
  assert.equal(
    translate(
      "Found face, nose; missing: ears. CLIP sees the whole photo.\nnose: reaches the border of the photo, so part of it may be missing.",
    ),
    "找到 脸, 鼻；缺失：耳。CLIP 看整张照片。\n鼻：碰到照片边缘，可能缺了一部分。",
  );
  assert.equal(translate("4 facial tokens: face, nose (1.2)."), "4 个面部 token：脸, 鼻 (1.2)。");
});

test("what the user wrote stays as it is, and so does what nobody translated", () => {
  assert.equal(translate("Typed text: face, eyes"), "输入的文字：face, eyes");
  assert.equal(translate("Caption: a face. No face."), "描述：a face. No face.");
  for (const text of ["", "eyes", "a man with a nose", "Some words. Found no more."])
    assert.equal(translate(text), text);
});

test("an error of one photo among several tells what to do", () => {
  const error =
    "Photo 1 of 2: No face found in the photo (64x64). Use a sharper, frontal photo with room around the head; where " +
    "the face is a small part of the photo, crop it to the person. Or set on_no_face to 'skip'.";
  assert.match(translateError(error), /^第 1 张照片（共 2 张）：照片（64x64）里没有找到人脸。[^A-Za-z]*\(skip\)。$/);
  assert.equal(
    translateError("steps is 'x', which is no choice of this node. Choose one of: face, head."),
    "steps 是 'x'，不在此节点的选项里。请选：face, head。",
  );
});
