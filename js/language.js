// @ts-check
// What this pack says in the editor, in the editor's language.
import { app } from "../../scripts/app.js";
import * as models from "./models_texts.js";
import * as nodes from "./node_texts.js";

export function isChinese() {
  const language = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  return language.startsWith("zh");
}

/**
 * @template Texts
 * @param {{ ENGLISH: Texts, CHINESE: Texts }} texts
 */
function choose({ ENGLISH, CHINESE }) {
  return isChinese() ? CHINESE : ENGLISH;
}

export const chooseModelTexts = () => choose(models);
export const chooseNodeTexts = () => choose(nodes);
