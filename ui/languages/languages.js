// Runs once for the table of languages: `element` is its root, whose content the server may replace at any time.

const rows = () => [...element.querySelectorAll("tbody tr")];

const filter = () => {
  const input = element.querySelector("input[type=search]");
  const status = element.querySelector(".shown");
  if (!input || !status) return;
  const wanted = input.value.trim().toLowerCase();
  let shown = 0;
  for (const row of rows()) {
    row.hidden = !row.dataset.find.includes(wanted);
    shown += row.hidden ? 0 : 1;
  }
  status.textContent = wanted ? status.dataset.count.replace("{shown}", shown) : "";
};

const sort = (head) => {
  const column = [...head.parentElement.children].indexOf(head);
  // Numbers begin with the largest, which is where one looks first; what was not measured always stands last.
  const number = head.dataset.kind === "number";
  const first = number ? "descending" : "ascending";
  const second = number ? "ascending" : "descending";
  const order = head.getAttribute("aria-sort") === first ? second : first;
  for (const other of head.parentElement.children) other.removeAttribute("aria-sort");
  head.setAttribute("aria-sort", order);
  const sign = order === "ascending" ? 1 : -1;
  const value = (row) => row.children[column].dataset.value;
  const sorted = rows().sort((a, b) => {
    const [left, right] = [value(a), value(b)];
    if (left === "" || right === "") return (left === "") - (right === "");
    return sign * (number ? left - right : left.localeCompare(right, "en"));
  });
  element.querySelector("tbody").append(...sorted);
};

const choose = (row) => {
  for (const button of element.querySelectorAll("tbody button")) {
    button.setAttribute("aria-pressed", String(row.contains(button)));
  }
  const told = element.querySelector(".told");
  const name = document.createElement("strong");
  name.append(row.querySelector("bdi").cloneNode(true));
  told.replaceChildren(name, " ", row.dataset.told);
};

element.addEventListener("input", filter);
element.addEventListener("click", (event) => {
  const head = event.target.closest("thead th");
  const row = event.target.closest("tbody tr");
  if (head) sort(head);
  if (row) choose(row);
});
