// Speaking instead of typing: the browser turns speech into words, which land in the text area.
// Some browsers send the sound to their maker; the page says so. Without support the button stays
// hidden. Nothing is sent to us before the form is.
const Recognition = window.SpeechRecognition ?? window.webkitSpeechRecognition;
let heard = null;

function listen(box) {
  const button = box.querySelector("button");
  const status = box.querySelector("[role='status']");
  const text = document.getElementById(box.dataset.speak);
  const before = text.value.trim();
  const ours = new Recognition();
  heard = ours;
  ours.lang = document.documentElement.lang;
  ours.continuous = true;
  ours.interimResults = true;
  const end = (what) => {
    if (heard === ours) heard = null;
    button.setAttribute("aria-pressed", "false");
    button.querySelector("span").textContent = button.dataset.start;
    status.textContent = status.dataset[what];
  };
  let fault = "first";
  ours.onresult = ({ results }) => {
    const said = [...results].map(([best]) => best.transcript).join("");
    text.value = [before, said].filter(Boolean).join(before ? "，" : "");
    text.dispatchEvent(new Event("input", { bubbles: true }));
  };
  ours.onerror = ({ error }) => {
    if (error === "aborted") return;
    fault = error === "no-speech" ? "nothing" : "denied";
  };
  ours.onend = () => end(fault);
  button.setAttribute("aria-pressed", "true");
  button.querySelector("span").textContent = button.dataset.stop;
  status.textContent = status.dataset.hearing;
  ours.start();
}

export function start() {
  if (Recognition === undefined || !window.isSecureContext) return;
  for (const box of document.querySelectorAll("[data-speak]")) {
    box.hidden = false;
    box.querySelector("button").addEventListener("click", () => {
      if (heard === null) listen(box);
      else heard.stop();
    });
  }
  window.addEventListener("pagehide", () => heard?.abort());
}
