// @ts-check
// What this pack says in the editor, in the editor's language.
import { app } from "../../scripts/app.js";
import * as models from "./models_texts.js";
import * as nodes from "./node_texts.js";
import { convertAll, makeConvert } from "./traditional.js";

/** @import { Convert } from "./traditional.js" */

/** @type {Convert} */
let convert = (text) => text;

/** @returns {string} */
const readLanguage = () => app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";

export const isChinese = () => readLanguage().startsWith("zh");

/** @param {string} name @returns {Promise<any>} a table of zh/ */
export async function readTable(name) {
  return (await fetch(new URL(`./zh/${name}.json`, import.meta.url))).json();
}

/** Read how to write Traditional Chinese, if the editor does. @returns {Promise<Convert>} */
export async function loadTraditional() {
  if (readLanguage() === "zh-TW") convert = makeConvert(await readTable("traditional"));
  return convert;
}

/**
 * @template Texts
 * @param {{ ENGLISH: Texts, CHINESE: Texts }} texts
 */
function choose({ ENGLISH, CHINESE }) {
  return isChinese() ? convertAll(CHINESE, convert) : ENGLISH;
}

export const chooseModelTexts = () => choose(models);
export const chooseNodeTexts = () => choose(nodes);
