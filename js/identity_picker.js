// @ts-check
// Load Identity: a dialog with the pictures and names of all saved identities.
import { api } from "../../scripts/api.js";
import { app } from "../../scripts/app.js";
import { makeElement } from "./elements.js";
import { readThumbnail } from "./identity_thumbnail.js";
import { chooseNodeTexts } from "./language.js";
import { findNext } from "./tile_keys.js";
import { findWidget, hasWidget, setWidgets } from "./widgets.js";

const NODE = "ConsistentID_LoadIdentity";

/**
 * Has the node offer what is saved by now, as R does for all nodes; what it offered, where nobody answers.
 * @param {Editor.Node} node
 */
async function readNames(node) {
  try {
    const definition = (await (await api.fetchApi(`/object_info/${NODE}`)).json())[NODE];
    const [kind, more] = definition.input.required.name;
    findWidget(node, "name").options.values = Array.isArray(kind) ? kind : more.options;
  } catch (error) {
    console.warn("ConsistentID: the list of identities was not read anew.", error);
  }
}

/** @param {Editor.Node} node */
function listNames(node) {
  const { values } = findWidget(node, "name").options;
  return [...(typeof values === "function" ? values() : (values ?? []))];
}

/** @param {string} name @param {boolean} isChosen @param {(name: string) => void} choose */
function makeTile(name, isChosen, choose) {
  const picture = makeElement("img", "thumbnail", { alt: "", hidden: true });
  const label = makeElement("span", "name", { textContent: name.replace(/\.safetensors$/, "") });
  const fields = { title: name, ariaPressed: String(isChosen), onclick: () => choose(name) };
  return makeElement("button", "tile", fields, [makeElement("span", "square", {}, [picture]), label]);
}

/** @param {HTMLButtonElement} tile */
async function loadPicture(tile) {
  const address = await readThumbnail(tile.title).catch(() => undefined);
  const picture = tile.querySelector("img");
  if (address && picture) Object.assign(picture, { src: address, hidden: false });
}

/**
 * Arrow keys go from tile to tile; from the search box they go to the first one, and Enter takes it.
 * @param {KeyboardEvent} event
 * @param {HTMLInputElement} search
 * @param {HTMLButtonElement[]} tiles
 */
function followKeys(event, search, tiles) {
  event.stopPropagation(); // or ComfyUI's own shortcuts would hear it
  const seen = tiles.filter((tile) => !tile.hidden);
  const at = seen.indexOf(/** @type {HTMLButtonElement} */ (document.activeElement));
  const columns = seen.filter((tile) => tile.offsetTop === seen[0]?.offsetTop).length;
  if (document.activeElement === search) {
    if (event.key === "Enter") seen[0]?.click();
    if (event.key === "ArrowDown") seen[0]?.focus();
  } else if (event.key.startsWith("Arrow")) {
    event.preventDefault();
    const next = findNext(event.key, at, columns, seen.length);
    if (next !== undefined) (seen[next] ?? search).focus();
  }
}

/** @param {Editor.Node} node */
async function openPicker(node) {
  const texts = chooseNodeTexts();
  await readNames(node);
  const names = listNames(node);
  /** @param {string} name */
  const choose = (name) => {
    dialog.close();
    setWidgets(node, { name });
  };
  const tiles = names.map((name) => makeTile(name, name === findWidget(node, "name").value, choose));
  const search = makeElement("input", "search", { placeholder: texts.search, ariaLabel: texts.search });
  const none = makeElement("p", "hint", { textContent: texts.noIdentity });
  const filter = () => {
    const wanted = search.value.trim().toLowerCase();
    for (const tile of tiles) tile.hidden = !tile.title.toLowerCase().includes(wanted);
    none.hidden = tiles.some((tile) => !tile.hidden);
  };
  search.oninput = filter;
  const leave = { textContent: "✕", title: texts.close, ariaLabel: texts.close, onclick: () => dialog.close() };
  const bar = makeElement("div", "bar", {}, [search, makeElement("button", "close", leave)]);
  const dialog = makeElement("dialog", "picker", { ariaLabel: texts.chooseIdentity }, [
    bar,
    makeElement("div", "tiles", {}, tiles),
    none,
  ]);
  dialog.onkeydown = (event) => followKeys(event, search, tiles);
  dialog.onclick = (event) => event.target === dialog && dialog.close();
  dialog.onclose = () => dialog.remove();
  document.querySelector("#vue-app")?.append(dialog);
  dialog.showModal();
  filter();
  loadSeen(dialog, tiles);
}

/**
 * Read pictures only as their tiles come into view.
 * @param {HTMLDialogElement} dialog
 * @param {HTMLButtonElement[]} tiles
 */
function loadSeen(dialog, tiles) {
  const observer = new IntersectionObserver(
    (changes) => {
      for (const { target } of changes.filter((change) => change.isIntersecting)) {
        observer.unobserve(target);
        loadPicture(/** @type {HTMLButtonElement} */ (target));
      }
    },
    { root: dialog },
  );
  for (const tile of tiles) observer.observe(tile);
}

app.registerExtension({
  name: "consistentidportraits.IdentityPicker",
  nodeCreated(node) {
    if (node.comfyClass !== NODE || !hasWidget(node, "name")) return;
    const button = node.addWidget("button", "choose", null, () => openPicker(node), { serialize: false });
    button.label = chooseNodeTexts().choose;
    button.serialize = false;
    const others = node.widgets.filter((widget) => widget !== button);
    others.splice(others.indexOf(findWidget(node, "name")) + 1, 0, button); // above the picture
    node.widgets.splice(0, node.widgets.length, ...others);
  },
});
