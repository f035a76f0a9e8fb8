// Runs once for what was found in a recording: plays from where one presses, and shows where it plays.

let until = null;

const player = () => element.querySelector("audio");

const play = (start, end = null) => {
  const audio = player();
  if (!audio) return;
  until = end;
  audio.currentTime = Math.max(0, start);
  audio.play().catch(() => null);
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("[data-start]");
  const plot = event.target.closest(".plot");
  if (button) {
    play(Number(button.dataset.start), button.dataset.end ? Number(button.dataset.end) + 0.5 : null);
  } else if (plot) {
    const box = plot.getBoundingClientRect();
    play((event.clientX - box.left) / box.width * Number(plot.closest(".timeline").dataset.seconds));
  }
});

// A linguist's own document goes to the server and comes back with the tiers of what was searched for beside hers.
const add = async (input) => {
  const [file] = input.files;
  const words = JSON.parse(input.dataset.words);
  const say = (text) => { element.querySelector(".exports [role=status]").textContent = text; };
  input.value = ""; // so that the same file can be chosen again
  say(words.adding);
  const answer = await fetch(input.dataset.address, { method: "POST", headers: { "X-Cacara": "1" }, body: file }).catch(() => null);
  if (!answer?.ok) {
    say((await answer?.json().catch(() => null))?.problem || words.no_connection);
    return;
  }
  const link = document.createElement("a");
  link.href = URL.createObjectURL(await answer.blob());
  link.download = file.name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 60000);
  say(words.added);
};

element.addEventListener("change", (event) => {
  if (event.target.type === "file" && event.target.files.length) add(event.target);
});

// Media events do not bubble, but they can be captured.
element.addEventListener("timeupdate", () => {
  const audio = player();
  const timeline = element.querySelector(".timeline");
  if (until !== null && audio.currentTime >= until) { until = null; audio.pause(); }
  if (!timeline) return;
  const head = timeline.querySelector(".playhead");
  head.hidden = false;
  head.style.left = `${100 * audio.currentTime / Number(timeline.dataset.seconds)}%`;
  for (const button of element.querySelectorAll("ol [data-start]")) {
    const inside = audio.currentTime >= Number(button.dataset.start) && audio.currentTime < Number(button.dataset.end);
    button.closest("li").classList.toggle("playing", inside && !audio.paused);
  }
}, true);
element.addEventListener("pause", () => {
  element.querySelectorAll("li.playing").forEach((item) => item.classList.remove("playing"));
}, true);
element.addEventListener("play", (event) => {
  document.querySelectorAll("audio").forEach((other) => { if (other !== event.target) other.pause(); });
}, true);
