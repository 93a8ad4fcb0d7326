// A toast leaves after 8 s, but never in elder mode, nor while the pointer or the focus is on it.
const SHOWN_MS = 8000;

function leave(toast) {
  if (toast.matches(":hover, :focus-within")) return setTimeout(leave, SHOWN_MS, toast);
  toast.remove();
}

function watch() {
  if (document.documentElement.classList.contains("elder")) return;
  for (const toast of document.querySelectorAll("#toasts .toast:not([data-seen])")) {
    toast.dataset.seen = "yes";
    setTimeout(leave, SHOWN_MS, toast);
  }
}

export function start() {
  watch();
  document.addEventListener("htmx:oobAfterSwap", watch);
}
