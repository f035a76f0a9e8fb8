// Runs once for the list of what this visitor has asked: `element` is its root. The list stays in the browser.
// It also reopens what a link asks for, and keeps the address in step with what is shown.
window.cacaraSearch = window.cacaraSearch || {};
const KEY = "cacara-asked";
const MOST = 12;
const NAMES = ["q", "lang", "kind", "licence", "like"];
const LONGEST = 2000;

const read = () => {
  try {
    const kept = JSON.parse(localStorage.getItem(KEY) || "[]");
    return Array.isArray(kept) ? kept.filter((each) => typeof each?.q === "string").slice(0, MOST) : [];
  } catch { return window.cacaraSearch.kept || []; }
};

const keep = (list) => {
  window.cacaraSearch.kept = list;
  try { localStorage.setItem(KEY, JSON.stringify(list)); } catch { /* storage is blocked: a list for this page */ }
};

const show = () => {
  const place = element.querySelector(".asked");
  if (!place) return;
  const list = read();
  place.replaceChildren(...list.map((each) => {
    const button = document.createElement("button");
    button.type = "button";
    button.className = "example";
    button.dir = "auto";
    if (each.lang) button.lang = each.lang;
    button.textContent = each.q.length > 60 ? `${each.q.slice(0, 59)}…` : each.q;
    button.cacara = each;
    return button;
  }));
  element.querySelector(".history").hidden = !list.length;
};

const ask = (asked) => {
  window.cacaraSearch.asked = asked;
  trigger("ask");
};

const address = (asked) => {
  const url = new URL(location.href);
  for (const name of NAMES) {
    if (asked?.[name]) url.searchParams.set(name, asked[name]); else url.searchParams.delete(name);
  }
  return url;
};

// The query that was just answered, of the results component; null when it cannot be reopened.
document.addEventListener("cacara-answered", (event) => {
  const asked = event.detail;
  history.replaceState(history.state, "", address(asked));
  if (!asked?.q) return;
  const { q, lang } = asked;
  keep([{ q, lang }, ...read().filter((each) => each.q !== q)].slice(0, MOST));
  show();
});

element.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (button?.cacara) ask(button.cacara);
  if (button?.dataset.action === "forget") { keep([]); show(); }
});
watch("value", show);
show();

// A link is followed once the model is there.
const wanted = Object.fromEntries(NAMES.map((name) =>
  [name, (new URLSearchParams(location.search).get(name) || "").slice(0, LONGEST)]));
if (wanted.q || wanted.like) {
  const wait = () => {
    if (document.querySelector("#preparation .prepared")) ask(wanted); else setTimeout(wait, 300);
  };
  wait();
}
