// A stale form loses nothing: what was typed into form[data-keep] stays in this tab until it was
// sent and another page came back. Never: passwords, hidden fields, files, data-never-keep.
const PREFIX = "citycare.form:";

function key(form) {
  return `${PREFIX}${location.pathname}#${form.dataset.keep}`;
}

function fields(form) {
  return [...form.elements].filter(
    (one) =>
      one.name &&
      !["password", "hidden", "file", "submit", "button"].includes(one.type) &&
      !("neverKeep" in one.dataset),
  );
}

function save(form) {
  const values = fields(form)
    .filter((one) => !["checkbox", "radio"].includes(one.type) || one.checked)
    .map((one) => [one.name, one.value]);
  sessionStorage.setItem(key(form), JSON.stringify(values));
}

function restore(form) {
  const kept = sessionStorage.getItem(key(form));
  if (kept === null) return;
  const values = JSON.parse(kept);
  let changed = false;
  for (const one of fields(form)) {
    const mine = values.filter(([name]) => name === one.name).map(([, value]) => value);
    if (["checkbox", "radio"].includes(one.type)) {
      const on = mine.includes(one.value);
      changed ||= on !== one.checked;
      one.checked = on;
    } else if (mine.length > 0 && one.value !== mine[0]) {
      one.value = mine[0];
      changed = true;
    }
  }
  const notice = form.querySelector("[data-kept-notice]");
  if (changed && notice !== null) notice.hidden = false;
}

// What was sent is done with when another page came back, or the same with a word of success.
function forget() {
  const done = document.querySelector("#toasts .toast") !== null;
  const present = new Set([...document.querySelectorAll("form[data-keep]")].map(key));
  for (const name of Object.keys(sessionStorage)) {
    if (!name.startsWith(PREFIX)) continue;
    const sent = sessionStorage.getItem(`${name}:sent`) !== null;
    if (sent && (done || !present.has(name))) {
      sessionStorage.removeItem(name);
      sessionStorage.removeItem(`${name}:sent`);
    }
  }
}

function clearAll() {
  for (const name of Object.keys(sessionStorage)) {
    if (name.startsWith(PREFIX)) sessionStorage.removeItem(name);
  }
}

export function start() {
  forget();
  for (const form of document.querySelectorAll("form[data-keep]")) {
    sessionStorage.removeItem(`${key(form)}:sent`); // it came back: with errors, or stale
    restore(form);
    form.addEventListener("input", () => save(form));
    form.addEventListener("submit", () => {
      save(form);
      sessionStorage.setItem(`${key(form)}:sent`, "yes");
    });
  }
  document.addEventListener("submit", (event) => {
    if ("clearKept" in event.target.dataset) clearAll();
  });
}
