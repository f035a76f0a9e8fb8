// Sending the selection to a campaign; follows `map.js` in the same script, and keeps where Review keeps the admin token.

const sendingKept = {};
const recall = (key, where) => {
  try { return window[where].getItem(`cacara-${key}`) ?? sendingKept[key] ?? ""; } catch { return sendingKept[key] ?? ""; }
};
const askLead = (name, fields = {}) => ask(name, {
  positions: state.selected, admin: recall("admin", "sessionStorage"), lead: recall("lead", "localStorage"),
  token: recall("annotate-token", "localStorage"), ...fields,
});
const opener = () => element.querySelector("[data-action=send]");

// Hidden fields are neither required nor checked.
const showFields = () => {
  const form = part("fill");
  if (!form) return;
  const shown = (place, wanted) => {
    place.hidden = !wanted;
    place.querySelectorAll("input, select").forEach((each) => { each.disabled = !wanted; });
  };
  shown(part("send-name"), !field("campaign").value);
  shown(part("send-words"), form.querySelector("[name=ask]:checked")?.value !== "texts");
};

const closeSending = () => {
  part("sending")?.replaceChildren();
  opener()?.setAttribute("aria-expanded", "false");
  opener()?.focus();
};

const openSending = async () => {
  const rows = state.selected;
  const place = part("sending");
  const answer = await askLead("map_campaigns", { query: state.query || "", language: state.language || "" });
  if (rows !== state.selected || !place.isConnected) return;
  tell(place, answer);
  opener().setAttribute("aria-expanded", "true");
  // The campaign that was filled last is the likeliest.
  if (state.campaign && field("campaign")?.querySelector(`option[value="${CSS.escape(state.campaign)}"]`)) field("campaign").value = state.campaign;
  showFields();
  place.querySelector("select, input")?.focus();
};

const enterSending = () => {
  sendingKept.admin = field("admin").value;
  try { sessionStorage.setItem("cacara-admin", sendingKept.admin); } catch { /* storage is blocked: for this page only */ }
  return openSending();
};

const sendSelection = async (form) => {
  const told = part("sent");
  const button = form.querySelector(".map-primary");
  if (button.disabled) return;
  button.disabled = true;
  told.replaceChildren();
  const answer = await askLead("map_send", {
    campaign_id: field("campaign").value, name: field("campaign_name").value,
    ask: form.querySelector("[name=ask]:checked")?.value || "words",
    query: field("asked").value, language: field("asked_language").value,
  });
  button.disabled = false;
  tell(told, answer);
  if (answer.problem) return;
  state.campaign = answer.campaign_id;
  const menu = form.querySelector("[name=campaign]");
  if (!menu.value) menu.options[0].after(new Option(`\u2068${answer.name}\u2069`, answer.campaign_id));
  menu.value = answer.campaign_id;
  showFields();
};

element.addEventListener("submit", (event) => {
  if (event.target.matches(".map-enter")) enterSending();
  if (event.target.matches(".map-fill")) sendSelection(event.target);
});
element.addEventListener("change", (event) => {
  if (["campaign", "ask"].includes(event.target.name)) showFields();
});
element.addEventListener("click", (event) => {
  const { action } = event.target.closest("button")?.dataset ?? {};
  if (action === "close-sending" || (action === "send" && part("send"))) closeSending();
  else if (action === "send") openSending();
});
