// @ts-check
// The editor forgets results when its page is loaded anew; ComfyUI's history has them until the server ends.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { listResults } from "./last_run.js";

const RUNS = 16; // of the history, that are looked through
const [navigation] = /** @type {PerformanceNavigationTiming[]} */ (performance.getEntriesByType("navigation"));
/** @type {Set<string>} Workflows that have had theirs back: what is opened again begins without. */
const seen = new Set();

/** @param {Editor.Graph} graph */
async function showLastRun(graph) {
  const response = await api.fetchApi(`/history?max_items=${RUNS}`);
  if (!response.ok) return;
  const results = listResults(await response.json(), graph);
  if (app.graph?.id !== graph.id) return; // another tab by now
  for (const [node, output] of results)
    api.dispatchEvent(new CustomEvent("executed", { detail: { node, display_node: node, output } }));
}

app.registerExtension({
  name: "consistentidportraits.ResultsAfterReload",
  afterConfigureGraph() {
    const { graph } = app;
    if (navigation?.type !== "reload" || !graph || seen.has(graph.id)) return;
    seen.add(graph.id);
    showLastRun(graph);
  },
});
