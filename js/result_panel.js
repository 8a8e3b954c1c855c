// @ts-check
// A panel under a node's widgets for what its last run found. Before a run it takes no room.
import { app } from "../../scripts/app.js";
import { makeElement } from "./elements.js";
import { chooseNodeTexts } from "./language.js";
import { findNode, nameNode } from "./node_keys.js";
import { addElement, runAfter } from "./widgets.js";

const MARGIN_PX = 4;
const SETTLE_MS = 200;
/** @type {WeakMap<Editor.Node, (output: Editor.Output | undefined) => void>} */
const panels = new WeakMap();

/**
 * @template Entry
 * @param {Editor.Node} node
 * @param {string} key of the ui data, a list with one entry for each photo or prompt
 * @param {number} heightPx
 * @param {(entry: Entry) => Node[]} draw gives the panel's children
 * @returns {() => void} draws again
 */
export function addResultPanel(node, key, heightPx, draw) {
  const panel = makeElement("div", "panel", { hidden: true, style: { "--height": `${heightPx}px` } });
  addElement(node, key, panel, {
    margin: MARGIN_PX,
    getMinHeight: () => (panel.hidden ? 0 : heightPx + 2 * MARGIN_PX),
    getMaxHeight: () => (panel.hidden ? 0 : undefined),
  });
  /** @type {Entry[]} */
  let entries = [];
  let shown = 0;
  let grown = 0; // by how much the node is higher than in the workflow file

  function redraw() {
    /** @type {(Element | null)[]} */
    const buttons = [...panel.querySelectorAll("button")];
    const focused = buttons.indexOf(document.activeElement);
    panel.replaceChildren();
    if (!entries.length) return;
    panel.append(...draw(entries[shown]));
    if (entries.length > 1) panel.append(makePager());
    panel.querySelectorAll("button")[focused]?.focus();
  }

  function makePager() {
    const { previous, next } = chooseNodeTexts();
    /** @param {number} step */
    const turn = (step) => () => {
      shown = (shown + step + entries.length) % entries.length;
      redraw();
    };
    return makeElement("div", "pager", {}, [
      makeElement("button", "turn", { textContent: "◀", title: previous, onclick: turn(-1) }),
      makeElement("span", "page", { textContent: `${shown + 1} / ${entries.length}` }),
      makeElement("button", "turn", { textContent: "▶", title: next, onclick: turn(1) }),
    ]);
  }

  /** @param {Editor.Output | undefined} output */
  function show(output) {
    const found = /** @type {Entry[] | undefined} */ (output?.[key]);
    if (!found?.length || found === entries) return;
    entries = found;
    shown = Math.min(shown, entries.length - 1);
    redraw();
    if (panel.hidden) grow();
  }

  function grow() {
    const before = node.size[1];
    panel.hidden = false;
    node.setSize([node.size[0], Math.max(before, node.computeSize()[1])]);
    grown = node.size[1] - before;
    setTimeout(() => {
      grown = node.size[1] - before; // Nodes 2.0 measures the panel itself
    }, SETTLE_MS);
  }

  runAfter(node, "onExecuted", show);
  runAfter(node, "onConfigure", () => show(app.nodeOutputs?.[nameNode(app.graph, node)])); // after undo
  runAfter(node, "onSerialize", (/** @type {{ size: number[] }} */ data) => {
    data.size = [data.size[0], data.size[1] - grown];
  });
  panels.set(node, show);
  return redraw;
}

app.registerExtension({
  name: "consistentidportraits.ResultPanel",
  // The editor lets output nodes run alone; see nodes/server/run_alone.py for the server's side.
  beforeRegisterNodeDef(_, definition) {
    if (definition.has_intermediate_output && definition.name.startsWith("ConsistentID_"))
      definition.output_node = true;
  },
  onNodeOutputsUpdated(outputs) {
    for (const [key, output] of Object.entries(outputs)) {
      const node = findNode(app.graph, key);
      if (node) panels.get(node)?.(output); // after a change of tabs
    }
  },
});
