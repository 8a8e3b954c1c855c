// @ts-check
// Load Identity shows whose identity is chosen, before anything runs.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { addElement, findWidget, hasWidget, watchWidget } from "./widgets.js";

const NODE = "ConsistentID_LoadIdentity";
const FOLDER = "consistentid_identities";
const SIDE_PX = 128;

/**
 * Its address as data; undefined where the file has none.
 * @param {string} name
 * @returns {Promise<string | undefined>}
 */
export async function readThumbnail(name) {
  const response = await api.fetchApi(`/view_metadata/${FOLDER}?filename=${encodeURIComponent(name)}`);
  const address = response.ok ? (await response.json())["modelspec.thumbnail"] : undefined;
  return address?.startsWith("data:image/png;base64,") ? address : undefined;
}

/** @param {Editor.Node} node */
function addThumbnail(node) {
  if (!hasWidget(node, "name")) return;
  const names = findWidget(node, "name");
  const picture = document.createElement("img");
  picture.alt = "";
  Object.assign(picture.style, { objectFit: "contain", width: "100%", height: "100%" });
  addElement(node, "identity_thumbnail", picture, {
    getMinHeight: () => SIDE_PX,
    getMaxHeight: () => 2 * SIDE_PX,
  });

  /** @type {unknown} */
  let shown;
  async function show() {
    const name = names.value;
    if (name === shown) return;
    shown = name;
    const address = name ? await readThumbnail(name).catch(() => undefined) : undefined;
    if (name !== names.value) return;
    picture.src = address ?? "";
    picture.hidden = !address;
  }

  watchWidget(node, "name", show);
  show();
}

app.registerExtension({
  name: "consistentidportraits.IdentityThumbnail",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addThumbnail(node);
  },
});
