// Small helps on top of pages that work without any of this.
import htmx from "htmx.org";
import { start as focus } from "./focus.js";
import { start as keepForms } from "./keep-form.js";
import { start as keys } from "./keys.js";
import { start as near } from "./near.js";
import { start as network } from "./network.js";
import { start as readAloud } from "./read-aloud.js";
import { start as speak } from "./speak.js";
import { start as suggest } from "./suggest.js";
import { start as toast } from "./toast.js";
import { start as waiting } from "./waiting.js";

const ROOM_ABOVE_PX = 120; // so that the window before the chosen row is still seen

Object.assign(htmx.config, {
  allowEval: false,
  allowScriptTags: false,
  includeIndicatorStyles: false,
  selfRequestsOnly: true,
  historyCacheSize: 0, // pages hold health data: nothing of them stays in the browser's storage
  refreshOnHistoryMiss: true,
  defaultSwapStyle: "outerHTML",
  scrollBehavior: "auto",
  timeout: 30000,
  responseHandling: [
    { code: "204", swap: false },
    { code: "[23]..", swap: true },
    { code: "[45]..", swap: true, error: true }, // errors are partials with words for people
  ],
});

async function charts() {
  if (document.querySelector("[data-chart]:not([data-drawn])") === null) return;
  const { draw } = await import("./charts.js");
  draw();
}

function small() {
  document.addEventListener("click", async (event) => {
    const button = event.target.closest("[data-print], [data-copy]");
    if (button === null) return;
    if ("print" in button.dataset) return window.print();
    await navigator.clipboard.writeText(button.dataset.copy);
    button.textContent = button.dataset.done;
  });
  document.querySelector(".days [aria-current]")?.scrollIntoView({
    block: "nearest",
    inline: "center",
  });
  const chosen = document.querySelector(".table-frame .is-selected");
  if (chosen === null) return;
  const frame = chosen.closest(".table-frame");
  const below = chosen.getBoundingClientRect().top - frame.getBoundingClientRect().top;
  frame.scrollTop += below - ROOM_ABOVE_PX;
}

/** The row whose thing is on its way to the panel is the selected one, at once. */
function selectRow(event) {
  const link = event.detail.elt;
  if (!link.matches(".row-link")) return;
  for (const row of link.closest("tbody").rows) {
    const mine = row.contains(link);
    row.classList.toggle("is-selected", mine);
    const lead = row.querySelector(".row-link");
    if (mine) lead.setAttribute("aria-current", "true");
    else lead?.removeAttribute("aria-current");
  }
}

function reveal() {
  for (const hidden of document.querySelectorAll("[data-script-only]")) hidden.hidden = false;
}

function begin() {
  document.documentElement.classList.add("has-script");
  for (const part of [small, keys, readAloud, speak, suggest, waiting, focus, near, network, keepForms, toast]) part();
  reveal();
  charts();
  document.addEventListener("htmx:afterSettle", reveal);
  document.addEventListener("htmx:afterSettle", charts);
  document.addEventListener("htmx:beforeRequest", selectRow);
}

if (document.readyState === "loading") document.addEventListener("DOMContentLoaded", begin);
else begin();
