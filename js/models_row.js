// @ts-check
// One model in the models panel: what it is, its licence, its state, and the buttons.
import { makeElement } from "./elements.js";
import { formatSize, makeSpeedometer, tellProgress } from "./models_facts.js";

/** @import { Download, Model } from "./models_facts.js" */
/** @import { ModelTexts } from "./models_texts.js" */
/** @typedef {{ start: (id: string, accepts: boolean) => void | Promise<void>, cancel: (id: string) => void }} Actions */

/** @param {Model} model @param {ModelTexts} texts */
function makeParts(model, texts) {
  /** @param {string} action */
  const name = (action) => `${action}: ${model.title}`;
  return {
    state: makeElement("strong", "model-state", { ariaLive: "polite" }),
    size: makeElement("span", "model-size"),
    where: makeElement("span", "model-where"),
    path: makeElement("code", "model-path"),
    accept: makeElement("input", "model-accept", { type: "checkbox", ariaLabel: name(texts.accept) }),
    download: makeElement("button", "model-download", { ariaLabel: name(texts.download) }),
    cancel: makeElement("button", "model-cancel", { textContent: texts.cancel, ariaLabel: name(texts.cancel) }),
    bar: makeElement("progress", "model-bar", { max: 1, ariaLabel: model.title }),
    progress: makeElement("span", "model-progress"),
    problem: makeElement("p", "model-problem", { role: "alert" }),
    agreement: makeElement("label", "model-agreement"),
    running: makeElement("div", "model-running"),
  };
}

/** @param {Model} model @param {ModelTexts} texts @param {ReturnType<typeof makeParts>} parts */
function layOut(model, texts, parts) {
  const page = { href: model.page, target: "_blank", rel: "noopener noreferrer", textContent: model.licence };
  const licence = [`${texts.licence} `, makeElement("a", "model-licence", page), `. ${model.consequence}`];
  parts.agreement.append(parts.accept, ` ${texts.accept}`);
  parts.running.append(parts.bar, parts.progress, parts.cancel);
  const row = makeElement("li", "model", {}, [
    makeElement("h4", "model-title", { textContent: model.title }),
    makeElement("p", "model-purpose", { textContent: model.purpose }),
    makeElement("p", "model-facts", {}, [parts.state, " · ", parts.size]),
    makeElement("p", "model-place", {}, [parts.where, " ", parts.path]),
    makeElement("p", "model-terms", {}, licence),
    makeElement("p", "model-by-hand", { textContent: model.by_hand, hidden: !model.by_hand }),
    parts.agreement,
    parts.download,
    parts.running,
    parts.problem,
  ]);
  row.dataset.model = model.id;
  return row;
}

/**
 * A row that shows a model and its download.
 * @param {Model} model
 * @param {ModelTexts} texts
 * @param {Actions} actions accepts: the licence
 */
export function makeRow(model, texts, actions) {
  const parts = makeParts(model, texts);
  const row = layOut(model, texts, parts);
  let known = model;
  let measureSpeed = makeSpeedometer();

  /** @param {Download} download */
  function showProgress({ file, done, total }) {
    if (total) parts.bar.value = (done ?? 0) / total;
    else parts.bar.removeAttribute("value");
    if (!file || done === null) {
      parts.progress.textContent = texts.starting;
      return;
    }
    const speed = measureSpeed(file, done, performance.now());
    parts.progress.textContent = tellProgress({ file, done, total }, speed, texts);
  }

  /** @param {Download | undefined} download */
  function show(download) {
    const failed = download?.state === "failed";
    const running = download && !failed;
    const wanted = ["missing", "incomplete"].includes(known.state) && !known.by_hand && !running;
    const state = download?.state ?? known.state;
    row.dataset.state = state;
    if (parts.state.textContent !== texts.states[state]) parts.state.textContent = texts.states[state];
    parts.state.title = state === "not verified" ? texts.unverified(known.id) : "";
    parts.size.textContent = known.size ? formatSize(known.size) : texts.sizeUnknown;
    parts.where.textContent = known.state === "missing" ? texts.goesTo : texts.isAt;
    parts.path.textContent = known.path;
    parts.agreement.hidden = !wanted || known.accepted;
    parts.download.hidden = !wanted;
    parts.download.textContent = failed ? texts.again : texts.download;
    parts.download.disabled = !known.accepted && !parts.accept.checked;
    parts.running.hidden = !running;
    parts.cancel.disabled = download?.state === "stopping";
    parts.problem.textContent = running ? "" : download?.error || known.problem;
    if (running) showProgress(download);
    else measureSpeed = makeSpeedometer();
  }

  parts.accept.onchange = () => {
    parts.download.disabled = !parts.accept.checked;
  };
  parts.download.onclick = () => actions.start(known.id, parts.accept.checked);
  parts.cancel.onclick = () => actions.cancel(known.id);
  return {
    row,
    show,
    /** @param {Model} model */
    update(model) {
      known = model;
    },
    /** @param {string} problem */
    tell(problem) {
      parts.problem.textContent = problem;
    },
  };
}
