// Runs once for the choice of a recording: `element` is its root, whose content the server may replace at any time;
// `server` calls bound Python functions. Texts from the server are only ever set as textContent.

let current = null; // what the server last said of the opened recording
let sending = null; // the upload under way
let wait = 0;

const part = (selector) => element.querySelector(selector);
const words = () => JSON.parse(part(".recording-source").dataset.words);
const clock = (seconds) => {
  const whole = Math.round(seconds);
  const two = (value) => String(value).padStart(2, "0");
  return `${whole >= 3600 ? `${Math.floor(whole / 3600)}:${two(Math.floor(whole / 60) % 60)}` : Math.floor(whole / 60)}:${two(whole % 60)}`;
};

const draw = () => {
  const state = part(".state");
  if (!state) return;
  state.hidden = current === null;
  if (current === null) return;
  const { phase, share, name, problem, seconds, notes } = current;
  const active = ["sending", "queued", "listening"].includes(phase);
  state.dataset.phase = phase;
  part(".state strong").textContent = name || "";
  const percent = phase === "listening" || phase === "sending" ? ` ${Math.round(100 * share)} %` : "";
  const length = phase === "ready" && seconds ? ` ${clock(seconds)}` : "";
  const status = `${words()[phase] || ""}${percent}${length}`;
  // A screen reader is told of each tenth, not of each hundredth.
  const live = part(".state [role=status]");
  live.setAttribute("aria-live", active && Math.round(100 * share) % 10 ? "off" : "polite");
  if (live.textContent !== status) live.textContent = status;
  const bar = part(".state progress");
  bar.hidden = !active;
  if (phase === "queued") bar.removeAttribute("value"); else bar.value = share;
  part("[data-action=cancel]").hidden = !active;
  part("[data-action=again]").hidden = !(current.recording && ["failed", "cancelled"].includes(phase));
  part("[data-action=forget]").hidden = active || !current.recording || phase === "forgotten";
  part(".told").textContent = [problem, ...(notes || [])].filter(Boolean).join(" · ");
  element.dataset.recording = phase === "forgotten" ? "" : current.recording || "";
};

const say = (answer) => { current = { share: 0, ...(current || {}), ...answer }; draw(); };
const failed = (problem) => say({ phase: "failed", problem: problem || words().no_connection });

const follow = async (recording) => {
  clearTimeout(wait);
  const answer = await server.progress({ recording }).catch(() => null);
  if (current?.recording !== recording) return;
  if (!answer?.phase) failed(answer?.problem);
  else {
    say(answer);
    if (["queued", "listening"].includes(answer.phase)) wait = setTimeout(() => follow(recording), 500);
  }
};

const model = () => window.cacaraModel || ""; // the one of the menu that answers now

const listen = async (recording) => {
  const answer = await server.listen({ recording, model: model() }).catch(() => null);
  if (!answer?.phase) failed(answer?.problem);
  else { say(answer); follow(recording); }
};

const opened = (answer) => {
  if (answer.problem) failed(answer.problem);
  else { say({ ...answer, problem: "", notes: [], seconds: null, phase: "queued" }); listen(answer.recording); }
};

const leave = () => {
  clearTimeout(wait);
  sending?.abort();
  if (current?.recording) server.forget({ recording: current.recording }).catch(() => null);
  current = null;
};

const send = (file) => {
  leave();
  say({ phase: "sending", share: 0, name: file.name, recording: "", problem: "", notes: [], seconds: null });
  const request = new XMLHttpRequest();
  sending = request;
  request.open("POST", `media/recording?name=${encodeURIComponent(file.name)}`);
  request.setRequestHeader("X-Cacara", "1");
  request.setRequestHeader("Content-Type", "application/octet-stream");
  request.responseType = "json";
  request.upload.onprogress = (event) => { if (event.lengthComputable) say({ share: event.loaded / event.total }); };
  request.onload = () => { sending = null; opened(request.response || { problem: words().no_connection }); };
  request.onerror = () => { sending = null; failed(); };
  request.onabort = () => { sending = null; };
  request.send(file);
};

const openLocal = async () => {
  const name = part(".local select").value;
  leave();
  const address = `media/recording/local?name=${encodeURIComponent(name)}`;
  const answer = await fetch(address, { method: "POST", headers: { "X-Cacara": "1" } })
    .then((response) => response.json()).catch(() => ({ problem: words().no_connection }));
  opened(answer);
};

const act = {
  local: openLocal,
  again: () => listen(current.recording),
  cancel: () => {
    if (sending) { sending.abort(); say({ phase: "unsent", recording: "" }); }
    else server.cancel({ recording: current.recording }).then(say).catch(() => failed());
  },
  forget: () => {
    const recording = current.recording;
    server.forget({ recording }).then(() => {
      say({ phase: "forgotten", recording: "", problem: "", notes: [], seconds: null });
      document.querySelector("#recordings-found .found")?.remove();
    }).catch(() => failed());
  },
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-action]");
  if (button) act[button.dataset.action]();
});
element.addEventListener("change", (event) => {
  if (event.target.type === "file" && event.target.files.length) {
    send(event.target.files[0]);
    event.target.value = ""; // so that the same file can be chosen again
  }
});
element.addEventListener("dragover", (event) => {
  if (event.target.closest(".drop")) { event.preventDefault(); part(".drop").classList.add("over"); }
});
for (const name of ["dragleave", "drop"]) element.addEventListener(name, () => part(".drop").classList.remove("over"));
element.addEventListener("drop", (event) => {
  if (!event.target.closest(".drop")) return;
  event.preventDefault();
  if (event.dataTransfer.files.length) send(event.dataTransfer.files[0]);
});
document.addEventListener("cacara-model", () => { if (current?.recording && current.phase !== "cancelled") listen(current.recording); });
watch("value", draw); // another interface language: the same state in other words
draw();
