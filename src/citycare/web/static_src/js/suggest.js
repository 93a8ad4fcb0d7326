// Search box with suggestions: the server sends <li role=option> into the listbox (htmx);
// here are the arrow keys of the combobox pattern (WAI-ARIA 1.2). Enter without a choice searches.
function options(box) {
  const list = document.getElementById(box.getAttribute("aria-controls"));
  return list === null ? [] : [...list.querySelectorAll("[role=option]")];
}

function choose(box, index) {
  const all = options(box);
  all.forEach((one, at) => {
    one.setAttribute("aria-selected", String(at === index));
    one.id ||= `${box.id}-option-${at}`;
  });
  const chosen = all[index];
  if (chosen === undefined) return box.removeAttribute("aria-activedescendant");
  box.setAttribute("aria-activedescendant", chosen.id);
  chosen.scrollIntoView({ block: "nearest" });
}

function close(box) {
  const list = document.getElementById(box.getAttribute("aria-controls"));
  if (list !== null && !list.classList.contains("suggestions-still")) list.replaceChildren();
  box.setAttribute("aria-expanded", "false");
  box.removeAttribute("aria-activedescendant");
}

function press(event) {
  const box = event.target.closest?.("[role=combobox]");
  if (!box || event.isComposing) return;
  const all = options(box);
  const at = all.findIndex((one) => one.getAttribute("aria-selected") === "true");
  if (event.key === "ArrowDown" || event.key === "ArrowUp") {
    if (all.length === 0) return;
    event.preventDefault();
    const step = event.key === "ArrowDown" ? 1 : -1;
    choose(box, (at + step + all.length) % all.length);
  } else if (event.key === "Enter" && at >= 0) {
    event.preventDefault();
    (all[at].querySelector("a, button") ?? all[at]).click();
  } else if (event.key === "Escape") {
    close(box);
  }
}

export function start() {
  document.addEventListener("keydown", press);
  document.addEventListener("htmx:afterSwap", () => {
    for (const box of document.querySelectorAll("[role=combobox]")) {
      box.setAttribute("aria-expanded", String(options(box).length > 0));
    }
  });
  document.addEventListener("focusout", (event) => {
    const box = event.target.closest?.("[role=combobox]");
    if (!box) return;
    const search = box.closest(".search");
    if (search !== null && !search.contains(event.relatedTarget)) {
      setTimeout(() => search.contains(document.activeElement) || close(box), 200);
    }
  });
}
