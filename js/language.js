// The language of the editor.
import { app } from "../../scripts/app.js";

export function chooseLanguage(english, chinese) {
  const language = app.extensionManager?.setting?.get("Comfy.Locale") ?? "en";
  return language.startsWith("zh") ? chinese : english;
}
