// Runs once for the tab's frame: `element` is its root, `server` calls bound Python functions. HTML from the server was made
// and escaped there; anything else is only ever set as textContent.

const frame = () => element.querySelector(".annotate");
const page = () => element.querySelector(".annotate-page");
const desk = () => element.querySelector(".annotate-desk");
const item = () => element.querySelector(".annotate-item[data-item]");
const field = (name) => element.querySelector(`[name=${name}]`);
const sounds = () => [...element.querySelectorAll(".annotate-item audio")];

const memory = {};
const kept = (key, where = "localStorage") => {
  try { return window[where].getItem(`cacara-${key}`) ?? memory[key] ?? ""; } catch { return memory[key] ?? ""; }
};
const keep = (key, value) => {
  memory[key] = value;
  try {
    if (value === "") localStorage.removeItem(`cacara-${key}`); else localStorage.setItem(`cacara-${key}`, value);
  } catch { /* storage is blocked: for this page only */ }
};
const languages = () => {
  try { const codes = JSON.parse(kept("annotate-languages") || "[]"); return Array.isArray(codes) ? codes : []; } catch { return []; }
};

let busy = false;
let late = false; // the frame was replaced meanwhile: its content has to be asked for once more
let since = 0; // when the question was shown
let passed = null; // the question just skipped, which undoing brings back
let current = 0; // which sound of several plays
let seen = false;
let wanted = new URLSearchParams(location.search).get("campaign") || "";

const tell = (text, wrong = false) => {
  const place = element.querySelector(".annotate-told");
  place.textContent = text || "";
  place.classList.toggle("wrong", wrong);
};

const tokens = () => ({
  "X-Cacara": "1", "X-Cacara-Token": kept("annotate-token") || window.cacaraAnnotateToken || "",
  "X-Cacara-Admin": kept("admin", "sessionStorage"),
});

const ask = async (name, fields = {}) => {
  const common = {
    token: kept("annotate-token") || window.cacaraAnnotateToken || "", languages: languages(),
    admin: kept("admin", "sessionStorage"),
  };
  const answer = await server[name]({ ...common, ...fields }).catch(() => undefined);
  return answer || { problem: frame().dataset.broken };
};

// One thing at a time: a key held down must not answer the next question unheard.
const alone = async (work) => {
  if (busy) return;
  busy = true;
  frame().setAttribute("aria-busy", "true");
  try { await work(); } finally { busy = false; frame().removeAttribute("aria-busy"); }
  if (late) { late = false; begin(); }
};

const show = (answer) => {
  if (answer.problem) { tell(answer.problem, true); return false; }
  if (answer.html === undefined) return true;
  const open = [...element.querySelectorAll("details[open]")].map((each) => each.className);
  page().innerHTML = answer.html;
  if (desk()) for (const name of open) if (name) element.querySelector(`details.${name}:not(.annotate-recent)`)?.setAttribute("open", "");
  if (answer.campaign) keep("annotate-campaign", answer.campaign);
  since = performance.now();
  current = 0;
  settle();
  return true;
};

// A recording is served to whoever holds its question: the token goes in a header, as no address may carry it.
const lent = [];
const fetchAsked = async (player) => {
  const response = await fetch(`media/consented?sha256=${encodeURIComponent(player.dataset.recording)}`, { headers: tokens() }).catch(() => undefined);
  if (!response?.ok) return tell(response ? await response.text() : frame().dataset.broken, true);
  const address = URL.createObjectURL(await response.blob());
  lent.push(address);
  player.src = address;
};

const settle = () => {
  lent.splice(0).forEach((address) => URL.revokeObjectURL(address));
  element.querySelectorAll("[data-recording]").forEach(fetchAsked);
  if (field("auto")) field("auto").checked = kept("annotate-auto") !== "no";
  if (field("speed")) {
    const speed = kept("annotate-speed");
    if ([...field("speed").options].some((option) => option.value === speed)) field("speed").value = speed;
    pace();
  }
  element.querySelector(".annotate-item")?.focus({ preventScroll: true });
};

const pace = () => { for (const sound of sounds()) sound.playbackRate = Number(field("speed")?.value || 1); };

const open = (campaign = "") => alone(async () => {
  const answer = await ask("annotate_open", { campaign });
  if (show(answer)) tell("");
});

const next = async () => {
  const campaign = desk()?.dataset.campaign;
  if (campaign) show(await ask("annotate_next", { campaign }));
};

const answered = async (answer) => {
  if (answer.problem) return tell(answer.problem, true);
  if (answer.stale) { show(answer); return tell(answer.stale, true); } // a second tab has answered: what stands is shown
  passed = null;
  if (field("auto")?.checked) { tell(frame().dataset.saved); await next(); }
  else tell(frame().dataset.annotateSavedNext);
};

const answer = (name, fields) => alone(async () => {
  const seconds = (performance.now() - since) / 1000;
  await answered(await ask(name, { item_id: item().dataset.item, seen: item().dataset.seen, seconds, ...fields }));
});

const press = (buttons, chosen) => buttons.forEach((button) => button.setAttribute("aria-pressed", String(button === chosen)));

const judge = (button) => {
  if (!button || busy) return;
  press(element.querySelectorAll(".annotate-labels button"), button);
  if (button.dataset.choice) return answer("annotate_prefer", { choice: button.dataset.choice });
  const reasons = [...element.querySelectorAll("[data-reason][aria-pressed=true]")].map((each) => each.dataset.reason);
  return answer("annotate_judge", {
    label: button.dataset.label, reasons, comment: field("comment").value,
    caption: field("caption").value, caption_language: field("caption_language").value,
  });
};

const toggle = (button) => button.setAttribute("aria-pressed", String(button.getAttribute("aria-pressed") !== "true"));

const skip = () => alone(async () => {
  if (!item()) return;
  const left = item().dataset.item;
  const done = await ask("annotation_skip", { item_id: left });
  if (done.problem) return tell(done.problem, true);
  tell("");
  await next();
  passed = left;
});

const again = (id) => alone(async () => {
  if (show(await ask("annotate_again", { item_id: id }))) tell("");
});

const undo = () => {
  if (passed) { const id = passed; passed = null; return again(id); }
  return alone(async () => {
    const done = await ask("annotate_undo", { campaign: desk().dataset.campaign });
    if (done.problem) return tell(done.problem, true);
    if (!show(await ask("annotate_again", { item_id: done.item_id }))) return;
    tell(done.message);
  });
};

const play = (step = 0) => {
  const all = sounds();
  if (!all.length) return;
  current = (current + step + all.length) % all.length;
  const sound = all[current];
  if (step || sound.paused) { pace(); sound.play().catch(() => { /* it cannot be played; the player says so */ }); }
  else sound.pause();
};

const faster = (step) => {
  const choice = field("speed");
  if (!choice) return;
  choice.selectedIndex = Math.max(0, Math.min(choice.options.length - 1, choice.selectedIndex + step));
  keep("annotate-speed", choice.value);
  pace();
};

const copy = async (text) => {
  try { await navigator.clipboard.writeText(text); tell(frame().dataset.annotateCopied); } catch { tell(text); }
};

const link = () => {
  const url = new URL(location.href.split("#")[0].split("?")[0]);
  url.searchParams.set("campaign", desk().dataset.campaign);
  return url.href;
};

const download = () => alone(async () => {
  const response = await fetch("media/mine.zip", { method: "POST", headers: tokens() }).catch(() => undefined);
  if (!response?.ok) return tell(response ? await response.text() : frame().dataset.broken, true);
  const address = URL.createObjectURL(await response.blob());
  Object.assign(document.createElement("a"), { href: address, download: "mine.zip" }).click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
});

const forgetToken = () => { keep("annotate-token", ""); window.cacaraAnnotateToken = ""; };

const forms = {
  register: async (given) => {
    const made = await ask("annotate_register", { name: given.name.value, agreed: given.agreed.checked });
    if (made.token) keep("annotate-token", made.token);
    if (show(made)) tell("");
  },
  token: async (given) => {
    const token = given.token.value.trim();
    const found = await ask("annotate_open", { token, campaign: wanted });
    if (found.state === "nobody") return tell((await ask("annotate_mine", { token })).problem, true);
    keep("annotate-token", token);
    if (show(found)) tell("");
  },
  forget: async (given) => {
    const gone = await ask("annotate_forget", { name: given.name.value });
    if (!gone.problem) forgetToken();
    if (show(gone)) tell("");
  },
};

element.addEventListener("submit", (event) => {
  event.preventDefault();
  const form = event.target;
  alone(() => forms[form.dataset.form](form.elements));
});

const actions = {
  open: (button) => open(button.dataset.campaign),
  campaigns: () => { const first = wanted; wanted = ""; open(first); },
  examples: () => { tell(frame().dataset.annotateWorking); alone(async () => { if (show(await ask("annotate_examples"))) tell(""); }); },
  mine: () => alone(async () => { if (show(await ask("annotate_mine"))) tell(""); }),
  leave: () => { forgetToken(); open(); },
  next: () => alone(next),
  again: (button) => again(button.dataset.item),
  share: () => copy(link()),
  "copy-token": () => copy(element.querySelector(".annotate-token code").textContent),
  skip, undo, download,
  recent: () => alone(async () => {
    const told = await ask("annotate_recent", { campaign: desk().dataset.campaign });
    if (told.problem) return tell(told.problem, true);
    element.querySelector(".annotate-recent > div").innerHTML = told.html;
  }),
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button, [data-action]");
  const wave = event.target.closest(".wave");
  if (wave) {
    const sound = wave.parentElement.querySelector("audio");
    const box = wave.getBoundingClientRect();
    if (Number.isFinite(sound.duration)) sound.currentTime = sound.duration * (event.clientX - box.left) / box.width;
    sound.play();
  }
  if (!button) return;
  if (button.dataset.label || button.dataset.choice) judge(button);
  else if (button.dataset.reason) toggle(button);
  else actions[button.dataset.action]?.(button);
});

element.addEventListener("change", (event) => {
  const { name } = event.target;
  if (name === "speed") { keep("annotate-speed", event.target.value); pace(); }
  if (name === "auto") keep("annotate-auto", event.target.checked ? "yes" : "no");
  if (name === "languages") {
    const chosen = [...element.querySelectorAll("[name=languages]:checked")].map((each) => each.value);
    keep("annotate-languages", JSON.stringify(chosen));
    alone(next);
  }
});

// Media events do not bubble, but they can be captured: one sound at a time.
element.addEventListener("play", (event) => {
  element.querySelectorAll("audio").forEach((other) => { if (other !== event.target) other.pause(); });
  current = Math.max(0, sounds().indexOf(event.target));
}, true);
element.addEventListener("timeupdate", (event) => {
  const done = event.target.closest(".player")?.querySelector(".wave span");
  if (done) done.style.inlineSize = `${100 * event.target.currentTime / event.target.duration}%`;
}, true);

// A letter by what is printed on the key; on keyboards of other scripts by where the key is.
const pressed = (event) => (/^[a-z0-9 +=\-]$/i.test(event.key) ? event.key.toUpperCase()
  : (event.code.match(/^(?:Key|Digit|Numpad)([A-Z0-9])$/) || [])[1] || event.key);

const onKey = (event) => {
  if (!element.getClientRects().length || event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = event.target.closest?.("input:not([type=checkbox]), textarea, select, [contenteditable=true]");
  if (typing) {
    if (event.key === "Escape" && element.contains(typing)) element.querySelector(".annotate-item")?.focus();
    return;
  }
  if (!desk() || event.repeat) return;
  // Elsewhere on the page, and on what the key already works, the key keeps its meaning.
  if (!element.contains(event.target) && event.target !== document.body) return;
  const native = event.target.closest?.("button, summary, a, audio, [type=checkbox]");
  const key = pressed(event);
  const number = "1234".indexOf(key);
  const reasons = [...element.querySelectorAll("[data-reason]")];
  const reason = "ADFGHJKL".indexOf(key);
  if ((key === " " || key === "Enter") && native) return;
  if (number >= 0 && key.length === 1) judge(element.querySelectorAll(".annotate-labels button")[number]);
  else if (key === " ") play();
  else if (event.key === "ArrowRight" && item()?.dataset.compares === "true") play(1);
  else if (event.key === "ArrowLeft" && item()?.dataset.compares === "true") play(-1);
  else if (key === "S") skip();
  else if (key === "U") undo();
  else if (key === "C" && field("caption")) field("caption").focus();
  else if (key === "N" && field("comment")) field("comment").focus();
  else if (key === "+" || key === "=") faster(1);
  else if (key === "-") faster(-1);
  else if (event.key === "Enter") alone(next);
  else if (reason >= 0 && key.length === 1 && reasons[reason]) toggle(reasons[reason]);
  else return;
  event.preventDefault();
};
document.addEventListener("keydown", onKey);

// Content is asked for when the tab is first seen, and again when the frame was replaced (another interface language).
const begin = () => {
  if (!seen) return;
  if (busy) { late = true; return; }
  const campaign = wanted || kept("annotate-campaign");
  if (kept("annotate-token") || window.cacaraAnnotateToken) wanted = "";
  open(campaign);
};
new IntersectionObserver((entries) => {
  if (!seen && entries.some((entry) => entry.isIntersecting)) { seen = true; begin(); }
}).observe(element);
watch("value", begin);
document.addEventListener("cacara-signed-in", begin);
