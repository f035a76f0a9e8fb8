// Runs once for the panel about speech: `element` is its root, whose content the server replaces.
// It asks again while the server prepares, and searches for what was written down.
window.cacaraSearch = window.cacaraSearch || {};

const panel = () => element.querySelector(".speech");

const write = () => {
  if (!panel()) return;
  window.cacaraSearch.recording = panel().dataset.search;
  trigger("write");
};

const search = () => {
  const words = panel().querySelector("input").value.trim();
  if (!words) return;
  window.cacaraSearch.asked = { q: words, lang: panel().dataset.language };
  trigger("said");
};

watch("value", () => {
  if (!panel()) return;
  if ("waiting" in panel().dataset) setTimeout(write, 1000);
  else if (panel().matches(".said")) search();
});

element.addEventListener("click", (event) => {
  const action = event.target.closest("button")?.dataset.action;
  if (action === "write") {
    event.target.closest("button").disabled = true;
    write();
  } else if (action === "said") {
    search();
  }
});
element.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && event.target.matches("input")) search();
});
