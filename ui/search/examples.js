// Runs once for the examples: remembers which one was pressed, and tells Gradio that one was.
element.addEventListener("click", (event) => {
  const button = event.target.closest("button.example");
  if (!button) return;
  element.dataset.picked = button.textContent;
  trigger("pick");
});
