// @ts-check
// Which results of the server's history belong to a workflow. Plain functions: they know no page and no editor.
import { findNode } from "./node_keys.js";

/**
 * A run as `/history` gives it. prompt: [number, id, nodes by key, what else was sent, ...]
 * @typedef {{ prompt: [unknown, unknown, Record<string, { class_type: string }>, {
 *   extra_pnginfo?: { workflow?: { id?: string } } }], outputs: Editor.Outputs }} Run
 */

const PACK = "ConsistentID_";
/** Nodes of the editor that show what came out. */
const SHOWING = ["SaveImage", "PreviewImage", "PreviewAny", "MaskPreview"];

/**
 * What the nodes of this pack, and the editor's own beside them, showed when this workflow was last run.
 * @param {Record<string, Run>} history oldest first
 * @param {Editor.Graph} graph
 * @returns {[string, Editor.Output][]} by the key that the server has for the node
 */
export function listResults(history, graph) {
  const runs = Object.values(history).filter(({ prompt }) => prompt[3]?.extra_pnginfo?.workflow?.id === graph.id);
  const last = runs.at(-1);
  if (!last) return [];
  const nodes = last.prompt[2];
  if (!Object.values(nodes).some(({ class_type }) => class_type.startsWith(PACK))) return [];
  return Object.entries(last.outputs).filter(([key]) => {
    const kind = nodes[key]?.class_type ?? "";
    return findNode(graph, key)?.comfyClass === kind && (kind.startsWith(PACK) || SHOWING.includes(kind));
  });
}
