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
