// Says it when the network is gone, and when a request got no answer; the page stays usable.
export function start() {
  const line = document.getElementById("offline");
  if (line === null) return;
  const tell = () => {
    line.hidden = navigator.onLine;
  };
  window.addEventListener("online", tell);
  window.addEventListener("offline", tell);
  document.addEventListener("htmx:sendError", () => {
    line.hidden = false;
  });
  document.addEventListener("htmx:timeout", () => {
    line.hidden = false;
  });
  document.addEventListener("htmx:afterRequest", (event) => {
    if (event.detail.successful) line.hidden = true;
  });
  tell();
}
