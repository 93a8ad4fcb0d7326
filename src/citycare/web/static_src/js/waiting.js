// While something is fetched: nothing for 300 ms, then a skeleton (data-skeleton="#template") or,
// when a whole page is on its way, a bar on top. A button pressed twice sends once.
const PATIENCE_MS = 300;
const timers = new WeakMap();

function bones(target) {
  const from = document.querySelector(target.dataset.skeleton);
  if (from === null) return;
  target.setAttribute("aria-busy", "true");
  target.replaceChildren(from.content.cloneNode(true));
}

function before(event) {
  const target = event.detail.target;
  if (!target?.dataset?.skeleton) return;
  const old = target.innerHTML;
  timers.set(target, { old, timer: setTimeout(() => bones(target), PATIENCE_MS) });
}

function after(event) {
  const target = event.detail.target;
  const waiting = timers.get(target);
  if (waiting === undefined) return;
  clearTimeout(waiting.timer);
  timers.delete(target);
  if (event.detail.failed && target.querySelector(".bones") !== null) target.innerHTML = waiting.old;
  target.removeAttribute("aria-busy");
}

function leaving() {
  if (document.querySelector(".leaving") !== null) return;
  const bar = document.createElement("div");
  bar.className = "leaving";
  document.body.append(bar);
}

function submit(event) {
  const form = event.target;
  if (event.defaultPrevented || form.hasAttribute("hx-post") || form.hasAttribute("hx-get")) return;
  if (form.dataset.sent) return event.preventDefault();
  form.dataset.sent = "yes";
  event.submitter?.setAttribute("data-busy", "");
  setTimeout(leaving, PATIENCE_MS);
}

function shown() {
  document.querySelector(".leaving")?.remove();
  for (const form of document.querySelectorAll("form[data-sent]")) delete form.dataset.sent;
  for (const busy of document.querySelectorAll("[data-busy]")) busy.removeAttribute("data-busy");
}

export function start() {
  document.addEventListener("htmx:beforeRequest", before);
  document.addEventListener("htmx:afterRequest", after);
  document.addEventListener("submit", submit);
  window.addEventListener("pageshow", shown);
}
