// "Near me": asks the browser where it is, only when the button is pressed, and asks for the same
// page again with the position in a header: it stands in no address, no log, no Referer. What the
// page then leads to (other days, the next page) is asked in the same way. The position stays in
// this entry of the tab's history, so that going back finds the same order, for half an hour.
import htmx from "htmx.org";

const HEADER = "X-Position";
const DECIMALS = 3; // about 100 m; the server refuses more
const ROUGH_M = 3000;
const SLOW_MS = 4000;
const PATIENCE_MS = 20000;
const FRESH_MS = 60000;
const KEPT_MS = 30 * 60000;
const FAILED = { 1: "denied", 2: "unavailable", 3: "timeout" };
let here = null;

function remember() {
  const near = here && { here, until: Date.now() + KEPT_MS };
  history.replaceState({ near }, "");
}

async function load(href) {
  await htmx.ajax("GET", href, {
    target: "#main",
    select: "#main",
    swap: "outerHTML",
    headers: { [HEADER]: here },
  });
}

function say(button, what) {
  document.querySelector("[data-near-said]").textContent = what ? button.dataset[what] : "";
}

function find(button) {
  say(button, "asking");
  button.disabled = true;
  const slow = setTimeout(() => say(button, "slow"), SLOW_MS);
  const end = (what) => {
    clearTimeout(slow);
    button.disabled = false;
    say(button, what);
  };
  navigator.geolocation.getCurrentPosition(
    ({ coords }) => {
      if (!button.isConnected) return;
      if (coords.accuracy > ROUGH_M) return end("rough");
      end("");
      here = `${coords.latitude.toFixed(DECIMALS)},${coords.longitude.toFixed(DECIMALS)}`;
      remember();
      load(location.href);
    },
    (error) => button.isConnected && end(FAILED[error.code] ?? "unavailable"),
    { timeout: PATIENCE_MS, maximumAge: FRESH_MS },
  );
}

function press(event) {
  const button = event.target.closest("[data-near-find]");
  if (button !== null) return find(button);
  const link = event.target.closest("#main a[href^='/book?']");
  if (link === null || here === null) return;
  if (link.matches("[data-near-forget]")) {
    here = null;
    return remember();
  }
  const plain = !(event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
  if (!plain || link.search.includes("clinic=")) return; // one doctor: nothing to order
  event.preventDefault();
  history.pushState(null, "", link.href);
  remember();
  load(link.href).then(() => window.scrollTo(0, 0));
}

/** A page that cannot be had with the position is asked for without it, as a page of its own. */
function giveUp(event) {
  if (!event.detail.requestConfig.headers[HEADER] || !event.detail.isError) return;
  event.detail.shouldSwap = false;
  here = null;
  remember();
  location.reload();
}

/** Back and forth between the orders of one page: the browser loads none of them by itself. */
function turn(event) {
  if (event.state !== null && "near" in event.state) location.reload();
}

function offer() {
  const able = "geolocation" in navigator && window.isSecureContext;
  for (const ask of document.querySelectorAll("[data-near-ask]")) ask.hidden = !able;
}

export function start() {
  offer();
  document.addEventListener("click", press);
  document.addEventListener("htmx:afterSettle", offer);
  document.addEventListener("htmx:beforeSwap", giveUp);
  window.addEventListener("popstate", turn);
  const kept = history.state?.near;
  if (!kept || Date.now() > kept.until || document.querySelector("[data-near]") === null) return;
  here = kept.here;
  load(location.href);
}
