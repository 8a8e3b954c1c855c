// @ts-check
import assert from "node:assert/strict";
import { readdirSync, readFileSync } from "node:fs";
import { test } from "node:test";
import { isOurs, restore, show } from "../../js/canvas_places.js";
import { makeTranslate } from "../../js/translation.js";

const FOLDERS = ["workflows", "subgraphs"].map((name) => new URL(`../../${name}/`, import.meta.url));
/** @param {string} name */
const readTable = (name) => JSON.parse(readFileSync(new URL(`../../js/zh/${name}.json`, import.meta.url), "utf8"));
const [workflows, models, results, choices, sockets] = ["workflows", "models", "results", "choices", "sockets"].map(
  readTable,
);
const translate = makeTranslate({ ...workflows, ...models, ...results }, choices);
const translateSocket = makeTranslate(sockets);

// Names of products, files, settings and keys; what is in italics or bold may be a folder; words for the prompt.
const NAMES =
  /[\w.-]+\.(?:pt|pth|bin|safetensors|onnx)|\b\w*_\w+\b|\b(?:SD1\.[45x]|SDXL|ConsistentID|ComfyUI|InsightFace|CelebAMask-HQ|ControlNet|Checkpoint|OpenPose|openpose|LoRA|LCM|LLM|LLaVA-1\.5|Qwen2\.5-VL|Face2Diffusion|FreeU|DINOv2|scikit-image|bitsandbytes|Meta|CUDA|CLIP(?:-\S+)?|VAE|Latent|ID|GB|token|cfg|euler\w*|lcm|dinov2-base|llava-\S+|buffalo_l|face2diffusion|Ctrl)(?=[^A-Za-z]|$)|CFG|\*\*(?:controlnet|loras|checkpoints|consistentid|ComfyUI\/models|[\w/.-]+\/[\w/.-]+)\*\*|\(f l:\d\.\d\)|\*\*f l\*\*/g;
const PROMPTS = /^### \*\*(?:谁|穿着|表情和视线|地点)\*\*.*$|long wavy red hair|round glasses|laughing/gm;
const ENGLISH = /[A-Za-z]{2,}/;

/** @param {any} root @returns {string[]} all that is written on the canvas */
function listTexts(root) {
  const graphs = [root, ...(root.definitions?.subgraphs ?? [])];
  const kinds = new Set(graphs.map(({ id }) => id));
  return graphs.flatMap((graph) => [
    ...(graph === root ? [] : [graph.name, ...[...graph.inputs, ...graph.outputs].map(nameSlot)]),
    ...(graph.groups ?? []).map((/** @type {any} */ group) => group.title),
    ...graph.nodes.flatMap((/** @type {any} */ node) => [
      node.title ?? "",
      ...(/Note/.test(node.type) ? node.widgets_values : []),
      ...(kinds.has(node.type) ? [...node.inputs, ...node.outputs].map(nameSlot) : []),
    ]),
  ]);
}

/** @param {any} slot */
const nameSlot = (slot) => slot.label ?? slot.localized_name ?? slot.name;

/** @param {string} text */
const isEnglish = (text) =>
  ENGLISH.test(
    text
      .replace(PROMPTS, "")
      .replace(/\]\([^)]*\)/g, "]")
      .replace(NAMES, ""),
  );

for (const folder of FOLDERS)
  for (const name of readdirSync(folder).filter((file) => file.endsWith(".json")))
    test(`${name} is Chinese on a Chinese canvas, and is saved as it was`, () => {
      const graph = JSON.parse(readFileSync(new URL(encodeURIComponent(name), folder), "utf8"));
      const before = structuredClone(graph);
      assert.ok(isOurs(graph) && listTexts(graph).some(isEnglish));
      const kept = new Map();
      show(graph, translate, translateSocket, kept);
      assert.deepEqual(listTexts(graph).filter(isEnglish), []);
      restore(graph, kept);
      assert.deepEqual(graph, before);
    });

test("what the user has changed since is saved, and what he named is not translated", () => {
  const slot = { name: "identity", label: "Anna" };
  const node = { id: 1, type: "kind", title: "Models", inputs: [slot], outputs: [] };
  const note = { id: 2, type: "MarkdownNote", widgets_values: ["Press **Run**."], title: "How to use" };
  const graph = { nodes: [node, note], groups: [], definitions: { subgraphs: [{ id: "kind", nodes: [] }] } };
  const kept = new Map();
  show(graph, translate, translateSocket, kept);
  assert.deepEqual([node.title, slot.label, note.widgets_values], ["模型", "Anna", ["点 **运行**。"]]);
  node.title = "我的模型";
  note.widgets_values[0] += "好";
  restore(graph, kept);
  assert.deepEqual([node.title, note.title, note.widgets_values[0]], ["我的模型", "How to use", "点 **运行**。好"]);
});

test("the label of a widget is set, also where it is read from its slot", () => {
  const slot = { name: "width", label: undefined };
  /** @type {string[]} */
  const drawn = [];
  const widget = {
    name: "width",
    get label() {
      return slot.label ?? this.name;
    },
    set label(/** @type {any} */ label) {
      slot.label = label;
      drawn.push(label);
    },
  };
  const node = { id: 1, type: "kind", inputs: [slot], outputs: [], widgets: [widget] };
  const root = { nodes: [node], groups: [], subgraphs: new Map([["kind", { id: "kind", nodes: [] }]]) };
  const kept = new Map();
  show(root, translate, translateSocket, kept);
  show(root, translate, translateSocket, kept); // as after a run
  assert.deepEqual(drawn, ["宽度"]);
  const data = {
    nodes: [{ id: 1, type: "kind", inputs: [{ ...slot }] }],
    definitions: { subgraphs: [{ id: "kind" }] },
  };
  restore(data, kept);
  assert.deepEqual(data.nodes[0].inputs, [{ name: "width" }]);
});

test("graphs without this pack's nodes are left alone", () => {
  assert.ok(!isOurs({ nodes: [{ type: "LoadImage" }] }));
  assert.ok(isOurs({ nodes: [], subgraphs: new Map([["a", { nodes: [{ type: "ConsistentID_Preset" }] }]]) }));
});
