// @ts-check
// In a Chinese editor the texts of this pack's workflows, results and errors are Chinese. Files stay as they were.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { isOurs, restore, show } from "./canvas_places.js";
import { loadChinese, translate, translateChoice, translateError, translateSocket } from "./chinese.js";
import { isChinese } from "./language.js";
import { runAfter } from "./widgets.js";

/** @import { Kept } from "./canvas_places.js" */

/** @type {Kept} */
const kept = new Map();

function showGraph() {
  if (!app.graph || !isOurs(app.graph)) return;
  show(app.graph, translate, translateSocket, kept);
  for (const graph of [app.graph, ...(app.graph.subgraphs?.values() ?? [])]) nameLongTexts(graph);
}

/**
 * Nodes 2.0 keeps the label of a subgraph's long text by itself, and hears of another one by this event alone.
 * @param {Editor.Graph} graph
 */
function nameLongTexts({ nodes = [] }) {
  for (const { inputs, subgraph } of nodes)
    for (const [index, { name, label, widgetId }] of (inputs ?? []).entries())
      if (label && widgetId) subgraph?.events?.dispatch("renaming-input", { index, oldName: name, newName: label });
}

/**
 * What its lists offer, as newer editors can show it, and the names of its empty texts. Values stay as they are.
 * @param {Editor.Node} node
 */
function nameValues(node) {
  for (const widget of node.widgets ?? []) {
    if (widget.type === "combo")
      widget.options.getOptionLabel = (value) => (typeof value === "string" ? translateChoice(value) : String(value));
    const { element, label } = widget;
    if (element instanceof HTMLTextAreaElement && element.placeholder === widget.name && label)
      element.placeholder = label;
  }
}

/** Errors of nodes, before the editor hears of them. What is said of the code that failed stays as it is. */
function translateErrors() {
  const first = { capture: true };
  /** @param {Event} event */
  const hear = (event) => {
    const { detail } = /** @type {CustomEvent<{ exception_message?: string }>} */ (event);
    if (detail?.exception_message) detail.exception_message = translateError(detail.exception_message.trim());
  };
  EventTarget.prototype.addEventListener.call(api, "execution_error", hear, first);
}

app.registerExtension({
  name: "consistentidportraits.ChineseCanvas",
  async init() {
    await loadChinese();
    if (isChinese()) translateErrors();
  },
  setup() {
    if (app.graph) runAfter(app.graph, "onSerialize", (data) => restore(data, kept));
  },
  afterConfigureGraph() {
    kept.clear();
    showGraph();
  },
  nodeCreated(node) {
    if (!isChinese()) return;
    if (node.comfyClass?.startsWith("ConsistentID_")) nameValues(node);
    if (node.comfyClass === "PreviewAny") runAfter(node, "onExecuted", showGraph);
  },
});
