// @ts-check
import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { CHINESE } from "../../js/node_texts.js";
import { convertAll, makeConvert } from "../../js/traditional.js";

const convert = makeConvert(JSON.parse(readFileSync(new URL("../../js/zh/traditional.json", import.meta.url), "utf8")));

test("words of Taiwan first, then letters; the rest stays", () => {
  assert.equal(convert("适合并排的长发，“合并”、发布 portrait.png"), "適合並排的長髮，「合併」、發布 portrait.png");
  assert.equal(convert("加载文件夹里的文件名"), "載入資料夾裡的檔名");
});

test("texts, functions and lists", () => {
  const { close, face, states } = convertAll({ ...CHINESE, states: { missing: "缺失，检测" } }, convert);
  assert.deepEqual(
    [close, face(1, 3), states.missing],
    ["關閉", "人臉 1（共 3 張，從左到右，從 0 開始）", "缺失，偵測"],
  );
});
