// After a part of the page was replaced, focus goes where the answer is: the first error, else
// what carries data-focus; else nothing moves. After a full load with errors: the first error.
function lead(area) {
  const wrong = area.querySelector("[aria-invalid=true]");
  const target = wrong ?? (area.matches?.("[data-focus]") ? area : area.querySelector("[data-focus]"));
  if (target === null) return;
  if (!target.matches("a, button, input, select, textarea")) target.tabIndex = -1;
  target.focus();
}

export function start() {
  const wrong = document.querySelector("main [aria-invalid=true]");
  if (wrong !== null) wrong.focus();
  document.addEventListener("htmx:afterSettle", (event) => lead(event.detail.elt));
}
