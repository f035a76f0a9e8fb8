// Runs once for the heading: the page's language and direction are the heading's.
const apply = () => {
  const header = element.querySelector("header");
  if (!header) return;
  document.documentElement.lang = header.lang;
  document.documentElement.dir = header.dir;
};
apply();
watch("value", apply);

// Fonts for scripts that this machine lacks, after everything else: no text waits for them.
if (!document.querySelector("link[href='fonts/faces.css']")) {
  const faces = document.createElement("link");
  faces.rel = "stylesheet";
  faces.href = "fonts/faces.css";
  (window.requestIdleCallback || setTimeout)(() => document.head.append(faces));
}

// Gradio's list of sounds knows neither films nor what phones and recorders make, and it goes by the type that the browser
// guesses from the ending. So the choice of files offers what is read here, and what was chosen is given as a sound.
const forSound = (input) => input.matches?.("input[type=file]") && (input.dataset.sounds || input.accept.startsWith("audio/"));
document.addEventListener("click", ({ target }) => {
  if (!forSound(target)) return;
  target.dataset.sounds = "1";
  target.accept = element.querySelector("header").dataset.sounds;
}, true);
document.addEventListener("change", ({ target }) => {
  if (!forSound(target)) return;
  const files = new DataTransfer();
  for (const file of target.files) {
    files.items.add(file.type.startsWith("audio/") ? file : new File([file], file.name, { type: "audio/x-unknown" }));
  }
  target.files = files.files;
}, true);

// Gradio names its upload buttons in words of its own, beside those that are seen: who speaks to the page says the latter.
const named = () => {
  for (const button of document.querySelectorAll("button.upload-container[aria-label]")) {
    if (button.textContent.trim()) button.removeAttribute("aria-label");
  }
};
let naming = 0;
new MutationObserver(() => { cancelAnimationFrame(naming); naming = requestAnimationFrame(named); })
  .observe(document.body, { childList: true, subtree: true });
named();
