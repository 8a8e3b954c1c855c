// A panel under a node's widgets for what its last run found. Before a run it takes no room.
import { app } from "../../scripts/app.js";
import { makeElement } from "./elements.js";
import { chooseNodeTexts } from "./node_texts.js";
import { addElement, runAfter } from "./widgets.js";

const MARGIN_PX = 4;
const SETTLE_MS = 200;
const panels = new WeakMap();

// key: of the ui data, a list with one entry for each photo or prompt. draw(entry): the panel's children.
// Returns a function that draws again.
export function addResultPanel(node, key, heightPx, draw) {
  const panel = makeElement("div", "panel", { hidden: true, style: { "--height": `${heightPx}px` } });
  addElement(node, key, panel, {
    margin: MARGIN_PX,
    getMinHeight: () => (panel.hidden ? 0 : heightPx + 2 * MARGIN_PX),
    getMaxHeight: () => (panel.hidden ? 0 : undefined),
  });
  let entries = [];
  let shown = 0;
  let grown = 0; // by how much the node is higher than in the workflow file

  function redraw() {
    const focused = [...panel.querySelectorAll("button")].indexOf(document.activeElement);
    panel.replaceChildren();
    if (!entries.length) return;
    panel.append(...draw(entries[shown]));
    if (entries.length > 1) panel.append(makePager());
    panel.querySelectorAll("button")[focused]?.focus();
  }

  function makePager() {
    const { previous, next } = chooseNodeTexts();
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

  function show(found) {
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
    setTimeout(() => (grown = node.size[1] - before), SETTLE_MS); // Nodes 2.0 measures the panel itself
  }

  runAfter(node, "onExecuted", (output) => show(output?.[key]));
  runAfter(node, "onConfigure", () => show(app.nodeOutputs?.[nameNode(node)]?.[key])); // after undo
  runAfter(node, "onSerialize", (data) => {
    data.size = [data.size[0], data.size[1] - grown];
  });
  panels.set(node, (outputs) => show(outputs?.[key]));
  return redraw;
}

// The key of a node's output in app.nodeOutputs while its tab is open.
function nameNode({ id, graph }) {
  return app.graph?.subgraphs?.has(graph?.id) ? `${graph.id}:${id}` : id;
}

// A key: such a name, or "3:1" for node 1 in the subgraph that node 3 of the main graph stands for.
function findNode(key) {
  const path = key.split(":");
  const id = path.pop();
  const enter = (graph, part) => graph?.subgraphs?.get(part) ?? graph?.getNodeById(part)?.subgraph;
  return path.reduce(enter, app.graph)?.getNodeById(id);
}

app.registerExtension({
  name: "consistentidportraits.ResultPanel",
  // The editor lets output nodes run alone; see nodes/server/run_alone.py for the server's side.
  beforeRegisterNodeDef(_, definition) {
    if (definition.has_intermediate_output && definition.name.startsWith("ConsistentID_")) definition.output_node = true;
  },
  onNodeOutputsUpdated(outputs) {
    for (const [key, output] of Object.entries(outputs)) panels.get(findNode(key))?.(output); // after a change of tabs
  },
});
