// Keyboard for professionals. An element with data-key="n" is clicked (or focused, when it is a
// field) by that key; j and k walk the rows. Single keys can be switched off (WCAG 2.1.4).
const STORE = "citycare.keys";
const FIELDS = "input, textarea, select, [contenteditable]";

function isOff() {
  return localStorage.getItem(STORE) === "off";
}

function show() {
  document.documentElement.classList.toggle("keys-off", isOff());
  for (const button of document.querySelectorAll("[data-keys-switch]")) {
    button.setAttribute("aria-pressed", String(!isOff()));
  }
}

function walk(step) {
  const rows = [...document.querySelectorAll(".row-link")];
  if (rows.length === 0) return;
  const at = rows.indexOf(document.activeElement);
  const selected = rows.findIndex((row) => row.closest(".is-selected") !== null);
  const from = at >= 0 ? at : selected;
  const next = rows[Math.min(Math.max(from + step, 0), rows.length - 1)];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function find(key) {
  return [...document.querySelectorAll("[data-key]")].find(
    (one) => one.dataset.key === key && one.offsetParent !== null,
  );
}

function press(event) {
  if (event.ctrlKey || event.metaKey || event.altKey || event.isComposing || isOff()) return;
  if (event.target.closest(FIELDS) !== null) {
    if (event.key === "Escape") event.target.blur();
    return;
  }
  if (event.key === "j" || event.key === "k") {
    event.preventDefault();
    walk(event.key === "j" ? 1 : -1);
    return;
  }
  const target = find(event.key);
  if (target === undefined) return;
  event.preventDefault();
  if (target.matches(FIELDS)) target.focus();
  else target.click();
}

export function start() {
  show();
  document.addEventListener("keydown", press);
  document.addEventListener("click", (event) => {
    if (event.target.closest("[data-keys-switch]") === null) return;
    if (isOff()) localStorage.removeItem(STORE);
    else localStorage.setItem(STORE, "off");
    show();
  });
}
