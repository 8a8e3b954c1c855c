// Load Identity shows whose identity is chosen, before anything runs.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";

const NODE = "ConsistentID_LoadIdentity";
const FOLDER = "consistentid_identities";
const SIDE_PX = 128;

async function readThumbnail(name) {
  const response = await api.fetchApi(`/view_metadata/${FOLDER}?filename=${encodeURIComponent(name)}`);
  const address = response.ok ? (await response.json())["modelspec.thumbnail"] : undefined;
  return address?.startsWith("data:image/png;base64,") ? address : undefined;
}

function addThumbnail(node) {
  const names = node.widgets?.find((widget) => widget.name === "name");
  if (!names) return;
  const picture = document.createElement("img");
  picture.alt = "";
  Object.assign(picture.style, { objectFit: "contain", width: "100%", height: "100%" });
  const widget = node.addDOMWidget("identity_thumbnail", "picture", picture, {
    serialize: false,
    hideOnZoom: false,
    getMinHeight: () => SIDE_PX,
    getMaxHeight: () => 2 * SIDE_PX,
  });
  widget.serialize = false; // the workflow file holds the name alone

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

  const chosen = names.callback;
  names.callback = function (...values) {
    const result = chosen?.apply(this, values);
    show();
    return result;
  };
  const configured = node.onConfigure;
  node.onConfigure = function (...values) {
    const result = configured?.apply(this, values);
    show();
    return result;
  };
  show();
}

app.registerExtension({
  name: "ConsistentID.IdentityThumbnail",
  nodeCreated(node) {
    if (node.comfyClass === NODE) addThumbnail(node);
  },
});
