// @ts-check
// The keys of nodes in app.nodeOutputs. Plain functions over a graph.

/**
 * The key of a node's output while its tab is open: its id, or "SUBGRAPH:id" where it is in a subgraph.
 * @param {Editor.Graph | undefined} main
 * @param {Pick<Editor.Node, "id" | "graph">} node
 */
export function nameNode(main, { id, graph }) {
  return graph && main?.subgraphs?.has(graph.id) ? `${graph.id}:${id}` : String(id);
}

/**
 * The node of such a key, or of "3:1": node 1 in the subgraph that node 3 of the main graph stands for.
 * @param {Editor.Graph | undefined} main
 * @param {string} key
 */
export function findNode(main, key) {
  const path = key.split(":");
  const id = path.pop() ?? "";
  /** @param {Editor.Graph | undefined} graph @param {string} part */
  const enter = (graph, part) => graph?.subgraphs?.get(part) ?? graph?.getNodeById(part)?.subgraph;
  return path.reduce(enter, main)?.getNodeById(id);
}
