// The page of a blind comparison: shows two pictures at a time and keeps the votes in this browser.

/**
 * @typedef {{ id: string, photo: number, prompt: string, pictures: [string, string] }} Pair pictures: their ids
 * @typedef {{ study: string, questions: string[], pairs: Pair[], photos: string[], pictures: Record<string, string> }} Study
 * @typedef {{ pair: string, question: number, winner: string | null, seconds: number }} Vote winner: null for equal
 * @typedef {{ format: number, study: string, voter: string, votes: Vote[] }} Votes
 */

const FORMAT = 1;
const SHOWN_MS = 220;
/** @type {Study} */
const study = JSON.parse(find("study").textContent ?? "");
const key = `consistentid study ${study.study}`;
let votes = recall() ?? begin();
let shownAt = performance.now();
let isWaiting = false;

/** @param {string} id */
function find(id) {
  const element = document.getElementById(id);
  if (!element) throw new Error(`no #${id}`);
  return element;
}

/** @returns {Votes} */
function begin() {
  const voter = Array.from(crypto.getRandomValues(new Uint8Array(6)), (byte) => byte.toString(16).padStart(2, "0"));
  return { format: FORMAT, study: study.study, voter: voter.join(""), votes: [] };
}

/** What this browser kept, if it may keep anything and that is whole. @returns {Votes | null} */
function recall() {
  try {
    const kept = JSON.parse(localStorage.getItem(key) ?? "null");
    return kept?.study === study.study && Array.isArray(kept.votes) && typeof kept.voter === "string" ? kept : null;
  } catch {
    return null;
  }
}

function keep() {
  try {
    localStorage.setItem(key, JSON.stringify(votes));
  } catch {
    // A browser that keeps nothing still lets one vote and save the file.
  }
}

/** Numbers from 0 to 1, always the same for one text (mulberry32). @param {string} text */
function makeChance(text) {
  let state = 0;
  for (const letter of text) state = (Math.imul(state, 31) + letter.charCodeAt(0)) | 0;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
}

/** The pairs in this voter's order, each with its pictures as this voter sees them, left and right. */
function arrange() {
  const chance = makeChance(votes.study + votes.voter);
  const placed = study.pairs.map((pair) => {
    const sides = chance() < 0.5 ? pair.pictures : [pair.pictures[1], pair.pictures[0]];
    return { pair, sides, place: chance() };
  });
  return placed.sort((one, other) => one.place - other.place);
}

let order = arrange();
const total = study.pairs.length * study.questions.length;

/** @param {"start" | "vote" | "end"} name */
function open(name) {
  for (const part of ["start", "vote", "end"]) find(part).hidden = part !== name;
  find("save-now").hidden = name !== "vote" || votes.votes.length === 0;
  find("progress").hidden = name === "start";
  find("count").hidden = name !== "vote";
  find("saved").textContent = "";
  window.scrollTo(0, 0);
}

function show() {
  const done = votes.votes.length;
  find("bar").style.width = `${(100 * done) / total}%`;
  if (done >= total) {
    find("thanks").textContent = `Your ${total} answers are complete. Save them, and send the file to who asked you.`;
    open("end");
    find("save").focus();
    return;
  }
  const { pair, sides } = order[Math.floor(done / study.questions.length)];
  const question = done % study.questions.length;
  find("count").textContent = `${done + 1} of ${total}`;
  ask(study.questions[question]);
  find("prompt").textContent = pair.prompt;
  find("back").toggleAttribute("disabled", done === 0);
  setPicture("photo", study.photos[pair.photo]);
  setPicture("left-picture", study.pictures[sides[0]]);
  setPicture("right-picture", study.pictures[sides[1]]);
  for (const side of ["left", "right", "equal"]) find(side).classList.remove("chosen");
  open("vote");
  shownAt = performance.now();
}

/** A question that is another than before is lit up: the pictures may be the same. @param {string} text */
function ask(text) {
  const question = find("question");
  if (question.textContent === text) return;
  question.textContent = text;
  question.classList.remove("new");
  void question.offsetWidth;
  question.classList.add("new");
}

/** @param {string} id @param {string} source */
function setPicture(id, source) {
  const image = /** @type {HTMLImageElement} */ (find(id));
  if (image.src !== source) image.src = source;
}

/** @param {"left" | "right" | "equal"} side */
function vote(side) {
  if (isWaiting || find("vote").hidden) return;
  const done = votes.votes.length;
  const { pair, sides } = order[Math.floor(done / study.questions.length)];
  const winner = { left: sides[0], right: sides[1], equal: null }[side];
  const seconds = Math.round((performance.now() - shownAt) / 100) / 10;
  votes.votes.push({ pair: pair.id, question: done % study.questions.length, winner, seconds });
  keep();
  find(side).classList.add("chosen");
  isWaiting = true;
  setTimeout(() => {
    isWaiting = false;
    show();
  }, SHOWN_MS);
}

function undo() {
  if (isWaiting || !votes.votes.length || !find("start").hidden) return;
  votes.votes.pop();
  keep();
  show();
}

function save() {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([JSON.stringify(votes, null, 1)], { type: "application/json" }));
  link.download = `votes-${votes.study}-${votes.voter}.json`;
  link.click();
  find("saved").textContent = `Saved as ${link.download}, where your downloads go.`;
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000);
}

function startAnew() {
  votes = begin();
  order = arrange();
  keep();
  greet();
}

function greet() {
  const done = votes.votes.length;
  find("begin").textContent = done ? "Go on" : "Start";
  find("known").textContent = done ? `You have given ${done} of ${total} answers.` : "";
  if (done >= total) {
    show();
    return;
  }
  open("start");
  find("begin").focus();
}

/** @type {Record<string, () => void>} */
const KEYS = {
  ArrowLeft: () => vote("left"),
  ArrowRight: () => vote("right"),
  ArrowDown: () => vote("equal"),
  1: () => vote("left"),
  2: () => vote("right"),
  0: () => vote("equal"),
  Backspace: undo,
};

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || event.repeat || !KEYS[event.key]) return;
  event.preventDefault();
  KEYS[event.key]();
});
for (const side of /** @type {const} */ (["left", "right", "equal"])) {
  find(side).addEventListener("click", () => vote(side));
}
find("begin").addEventListener("click", show);
find("back").addEventListener("click", undo);
find("save").addEventListener("click", save);
find("save-now").addEventListener("click", save);
find("undo-last").addEventListener("click", undo);
find("anew").addEventListener("click", startAnew);
find("pairs").textContent = String(study.pairs.length);
find("minutes").textContent = String(Math.max(1, Math.round((total * 5) / 60)));
greet();

export {};
