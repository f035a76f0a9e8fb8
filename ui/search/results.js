// Runs once for the results component: `element` is its root, `server` calls bound Python functions.
// Texts from the server are only ever set as textContent.

const annotator = () => {
  // A random token, so that a person can take back what is theirs without giving a name.
  const key = "cacara-annotator";
  let token = null;
  try { token = localStorage.getItem(key); } catch { /* storage is blocked: a token for this page */ }
  token = token || window.cacaraAnnotator;
  if (!token) {
    const bytes = crypto.getRandomValues(new Uint8Array(16));
    token = "visitor-" + Array.from(bytes, (byte) => byte.toString(16).padStart(2, "0")).join("");
    window.cacaraAnnotator = token;
    try { localStorage.setItem(key, token); } catch { /* as above */ }
  }
  return token;
};

// Judgements of each card that count as far as this page knows, latest last; undo shows the database's answer.
const judged = new WeakMap();

const show = (card, text, isProblem = false) => {
  const verdict = card.querySelector(".verdict");
  verdict.textContent = text;
  verdict.classList.toggle("wrong", isProblem);
  const stack = judged.get(card) || [];
  const label = stack.length ? stack[stack.length - 1].label : "";
  card.dataset.state = label;
  card.querySelectorAll("[data-label]").forEach((button) =>
    button.setAttribute("aria-pressed", String(button.dataset.label === label)));
  card.querySelector("[data-action=undo]").hidden = !stack.length;
};

const call = async (card, work, done) => {
  const page = card.closest(".results").dataset;
  if (card.hasAttribute("aria-busy")) return;
  card.setAttribute("aria-busy", "true");
  const answer = await work(page).catch(() => undefined);
  card.removeAttribute("aria-busy");
  if (!answer || answer.problem) show(card, answer ? answer.problem : page.broken, true);
  else done(answer, page);
};

const judge = (card, label) => call(card, (page) => server.judge_card({
  search_id: card.closest("[data-search]").dataset.search,
  clip_id: card.dataset.clip,
  label,
  annotator: annotator(),
  keep_recording: Boolean(document.querySelector("#consent input")?.checked),
  seen: judged.get(card)?.at(-1)?.id || "",
}), (answer, page) => {
  if (answer.stale) { // a second tab has judged it: what stands is shown, and choosing once more replaces it
    judged.set(card, answer.judgement_id ? [{ id: answer.judgement_id, label: answer.label }] : []);
    return show(card, answer.stale, true);
  }
  judged.set(card, [...(judged.get(card) || []), { id: answer.judgement_id, label }]);
  show(card, page.saved);
});

const undo = (card) => call(card, (page) => server.undo({
  judgement_id: judged.get(card).at(-1).id,
  annotator: annotator(),
}), (answer) => {
  judged.set(card, answer.stands ? [{ id: answer.stands, label: answer.label }] : []);
  show(card, answer.message);
  const pressed = card.querySelector("[aria-pressed=true]") || card.querySelector("[data-label]");
  pressed.focus(); // the undo button that had the focus is gone
});

// What a word was looked up as is taken back for everybody here, until it is undone.
let taken = null;
const corrected = (button, text, undoable) => {
  const line = button.closest(".looked-up");
  line.querySelector(".corrected").textContent = text;
  line.querySelector("[data-action=wrong-undo]").hidden = !undoable;
};
const correct = async (button, work, done) => {
  const answer = await work().catch(() => undefined);
  if (!answer || answer.problem) {
    return corrected(button, answer ? answer.problem : button.closest(".results").dataset.broken, Boolean(taken));
  }
  done(answer);
  corrected(button, answer.message, Boolean(taken));
};
const isWrong = (button) => {
  const word = JSON.parse(button.dataset.word);
  correct(button, () => server.wrong_look_up({ text: word.text || word.word, read_in: word.read_in, senses: word.senses }),
    (answer) => { taken = { list_id: answer.list_id, text: word.word }; });
};
const lookUpAgain = (button) => correct(button, () => server.look_up_again(taken), () => { taken = null; });

// Scores are hidden or shown by the visitor's own choice, which the browser remembers.
const SCORES = "cacara-scores";
const scoresHidden = () => {
  try { return localStorage.getItem(SCORES) === "hidden"; } catch { return element.classList.contains("scoreless"); }
};
const showScores = (hidden) => {
  element.classList.toggle("scoreless", hidden);
  const button = element.querySelector("[data-action=scores]");
  if (!button) return;
  button.textContent = hidden ? button.dataset.show : button.dataset.hide;
};
const toggleScores = () => {
  const hidden = !element.classList.contains("scoreless");
  try { localStorage.setItem(SCORES, hidden ? "hidden" : "shown"); } catch { /* for this page only */ }
  showScores(hidden);
};

// The next hits of a list, below those that are there; whoever came by keyboard goes on at the first of them.
const showMore = (button) => {
  const section = button.closest("section");
  const waiting = section.querySelector("template").content;
  const next = [...waiting.querySelectorAll(".card")].slice(0, Number(button.dataset.atOnce));
  section.querySelector("ol").append(...next);
  next[0].tabIndex = -1;
  next[0].focus({ preventScroll: true });
  if (!waiting.querySelector(".card")) button.parentElement.remove();
};

const share = async (button) => {
  const done = button.parentElement.querySelector(".done");
  try {
    await navigator.clipboard.writeText(location.href);
    done.textContent = button.dataset.done;
  } catch { done.textContent = location.href; } // no right to the clipboard: the link to copy by hand
};

// Tells the list of earlier queries what can be reopened, which stands in the address from then on.
const tell = () => {
  const asked = element.querySelector(".results")?.dataset.asked;
  document.dispatchEvent(new CustomEvent("cacara-answered", { detail: asked ? JSON.parse(asked) : null }));
};

watch("value", () => { showScores(scoresHidden()); tell(); });

// On a phone the answer would come out of sight, below the questions.
watch("value", () => {
  if (element.getBoundingClientRect().top < 0.6 * window.innerHeight) return;
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
  const block = element.querySelector(".results") ? "start" : "nearest";
  // Transcribed speech stays above its results, to be corrected.
  const shown = document.querySelector("#speech .said") || element;
  shown.scrollIntoView({ behavior: still ? "auto" : "smooth", block });
});

element.addEventListener("click", (event) => {
  const card = event.target.closest(".card");
  const button = event.target.closest("button");
  const wave = event.target.closest(".wave");
  if (wave) {
    seek(card.querySelector("audio"), wave, event.clientX);
  } else if (card && event.target.closest(".picture:not(.none)")) {
    const player = card.querySelector("audio");
    if (!player) return; // a picture without a sound
    if (player.paused) player.play(); else player.pause();
  } else if (!button) {
    return;
  } else if (button.dataset.action === "language") {
    document.querySelector("#language input")?.focus();
  } else if (button.dataset.action === "undo") {
    undo(card);
  } else if (button.dataset.action === "wrong") {
    isWrong(button);
  } else if (button.dataset.action === "wrong-undo") {
    lookUpAgain(button);
  } else if (button.dataset.action === "scores") {
    toggleScores();
  } else if (button.dataset.action === "more") {
    showMore(button);
  } else if (button.dataset.action === "share") {
    share(button);
  } else if (button.dataset.action === "like") {
    window.cacaraSearch = Object.assign(window.cacaraSearch || {}, { like: card.dataset.clip });
    trigger("like");
  } else if (button.dataset.label && button.getAttribute("aria-pressed") !== "true") {
    judge(card, button.dataset.label);
  }
});

// The drawing shows where the sound is, and takes one there; the player does the same by keyboard.
const seek = (player, wave, x) => {
  const box = wave.getBoundingClientRect();
  const go = () => { player.currentTime = player.duration * (x - box.left) / box.width; player.play(); };
  if (Number.isFinite(player.duration)) go();
  else { player.addEventListener("loadedmetadata", go, { once: true }); player.load(); }
};
element.addEventListener("timeupdate", (event) => {
  const done = event.target.closest(".card")?.querySelector(".wave span");
  if (done) done.style.inlineSize = `${100 * event.target.currentTime / event.target.duration}%`;
}, true);

// Media events do not bubble, but they can be captured: one sound at a time, and its card is marked.
element.addEventListener("play", (event) => {
  element.querySelectorAll("audio").forEach((other) => { if (other !== event.target) other.pause(); });
  event.target.closest(".card")?.classList.add("playing");
}, true);
for (const name of ["pause", "ended"]) {
  element.addEventListener(name, (event) => event.target.closest(".card")?.classList.remove("playing"), true);
}
