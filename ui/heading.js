// Runs once for the heading: the page's language and direction are the heading's.
const apply = () => {
  const header = element.querySelector("header");
  if (!header) return;
  document.documentElement.lang = header.lang;
  document.documentElement.dir = header.dir;
};
apply();
watch("value", apply);
