// @ts-check
// In a Chinese editor the texts of this pack's workflows, results and errors are Chinese. Files stay as they were.
import { app } from "../../scripts/app.js";
import { isOurs, restore, show } from "./canvas_places.js";
import { loadChinese, translate, translateSocket } from "./chinese.js";
import { runAfter } from "./widgets.js";

/** @import { Kept } from "./canvas_places.js" */

/** @type {Kept} */
const kept = new Map();

function showGraph() {
  if (app.graph && isOurs(app.graph)) show(app.graph, translate, translateSocket, kept);
}

app.registerExtension({
  name: "consistentidportraits.ChineseCanvas",
  async init() {
    await loadChinese();
  },
  setup() {
    if (app.graph) runAfter(app.graph, "onSerialize", (data) => restore(data, kept));
  },
  afterConfigureGraph() {
    kept.clear();
    showGraph();
  },
  nodeCreated(node) {
    if (node.comfyClass === "PreviewAny") runAfter(node, "onExecuted", showGraph);
  },
});
