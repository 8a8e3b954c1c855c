// @ts-check
import assert from "node:assert/strict";
import { test } from "node:test";
import { findNode, nameNode } from "../../js/node_keys.js";

/**
 * A main graph whose node 3 stands for a subgraph "s" with a node 1.
 * @returns {{ main: Editor.Graph, inner: Editor.Graph, nodes: Record<string, Editor.Node> }}
 */
function makeGraphs() {
  /** @param {string} id @param {Record<string, Editor.Node>} nodes @returns {Editor.Graph} */
  const makeGraph = (id, nodes) => ({ id, getNodeById: (key) => nodes[key] });
  /** @param {number} id @param {Partial<Editor.Node>} fields */
  const makeNode = (id, fields) => /** @type {Editor.Node} */ ({ id, ...fields });
  const nodes = { inside: makeNode(1, {}), outside: makeNode(1, {}), holder: makeNode(3, {}) };
  const inner = makeGraph("s", { 1: nodes.inside });
  const main = { ...makeGraph("m", { 1: nodes.outside, 3: nodes.holder }), subgraphs: new Map([["s", inner]]) };
  Object.assign(nodes.inside, { graph: inner });
  Object.assign(nodes.outside, { graph: main });
  Object.assign(nodes.holder, { graph: main, subgraph: inner });
  return { main, inner, nodes };
}

test("a node is found by the key it is given", () => {
  const { main, nodes } = makeGraphs();
  assert.equal(nameNode(main, nodes.outside), "1");
  assert.equal(nameNode(main, nodes.inside), "s:1");
  for (const node of Object.values(nodes)) assert.equal(findNode(main, nameNode(main, node)), node);
});

test("a node is found by the way through the nodes that stand for subgraphs", () => {
  const { main, nodes } = makeGraphs();
  assert.equal(findNode(main, "3:1"), nodes.inside);
});

test("a key of another workflow finds nothing", () => {
  const { main } = makeGraphs();
  for (const key of ["7", "7:1", "3:7", "x:1"]) assert.equal(findNode(main, key), undefined);
  assert.equal(findNode(undefined, "1"), undefined);
});

test("a node without a graph has its own number for a key", () => {
  assert.equal(nameNode(undefined, { id: 4, graph: null }), "4");
});
