// Runs once for the list of taught words: `element` is its root, `server` calls bound Python functions.

const token = () => document.querySelector("#teach-token input")?.value || "";

const tell = (button, text) => { button.closest(".teach-words").querySelector(".said").textContent = text; };

const takeBack = async (button) => {
  const answer = await server.take_back_words({ ids: [button.dataset.place], token: token() }).catch(() => undefined);
  if (!answer || answer.problem) return tell(button, answer ? answer.problem : button.dataset.broken);
  trigger("taken");
};

const save = async (button) => {
  const answer = await server.taught_words({ token: token() }).catch(() => undefined);
  if (!answer || answer.problem) return tell(button, answer ? answer.problem : button.dataset.broken);
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob(["\ufeff", answer.table], { type: "text/tab-separated-values" }));
  link.download = "words.tsv";
  link.click();
  URL.revokeObjectURL(link.href);
};

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.action === "take-back") takeBack(button);
  else if (button.dataset.action === "save") save(button);
});
