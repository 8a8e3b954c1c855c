// One model in the models panel: what it is, its licence, its state, and the buttons.
import { makeElement } from "./elements.js";
import { formatSize } from "./models_texts.js";

const SMOOTHING = 0.3; // how much the latest speed counts

function makeParts(model, texts) {
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
  };
}

function layOut(model, texts, parts) {
  const page = { href: model.page, target: "_blank", rel: "noopener noreferrer", textContent: model.licence };
  const licence = [`${texts.licence} `, makeElement("a", "model-licence", page), `. ${model.consequence}`];
  parts.agreement = makeElement("label", "model-agreement", {}, [parts.accept, ` ${texts.accept}`]);
  parts.running = makeElement("div", "model-running", {}, [parts.bar, parts.progress, parts.cancel]);
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

/** A row that shows a model and its download. actions: start(id, accepts the licence) and cancel(id). */
export function makeRow(model, texts, actions) {
  const parts = makeParts(model, texts);
  const row = layOut(model, texts, parts);
  let known = model;
  let last;

  function measureSpeed({ file, done }) {
    const now = performance.now();
    if (last?.file !== file || done < last.done) last = { file, done, now, speed: 0 };
    if (now - last.now < 400) return last.speed;
    const latest = ((done - last.done) * 1000) / (now - last.now);
    const speed = last.speed ? last.speed + SMOOTHING * (latest - last.speed) : latest;
    last = { file, done, now, speed };
    return speed;
  }

  function showProgress(download) {
    const { file, done, total } = download;
    if (total) parts.bar.value = done / total;
    else parts.bar.removeAttribute("value");
    if (!file) return void (parts.progress.textContent = texts.starting);
    const speed = measureSpeed(download);
    const told = speed ? formatSize(speed) : "";
    const sizes = total ? texts.of(formatSize(done), formatSize(total), told) : texts.soFar(formatSize(done), told);
    parts.progress.textContent = `${file}: ${sizes}`;
  }

  function show(download) {
    const failed = download?.state === "failed";
    const running = Boolean(download) && !failed;
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
    else last = undefined;
  }

  parts.accept.onchange = () => (parts.download.disabled = !parts.accept.checked);
  parts.download.onclick = () => actions.start(known.id, parts.accept.checked);
  parts.cancel.onclick = () => actions.cancel(known.id);
  return {
    row,
    show,
    update: (model) => (known = model),
    tell: (problem) => (parts.problem.textContent = problem),
  };
}
