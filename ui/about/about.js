// Runs once for the About tab: shows under which random name this browser's judgements are kept.
const tell = () => {
  const place = element.querySelector(".token");
  if (!place) return;
  let token = window.cacaraAnnotator || null;
  try { token = localStorage.getItem("cacara-annotator") || token; } catch { /* storage is blocked */ }
  place.textContent = token || place.dataset.none;
};
tell();
watch("value", tell);
