// Reads the page to people: block by block, the block being read is marked; again = pause.
// Nothing is sent anywhere: the voice is the device's own. Text in .no-read is left out.
const BLOCKS = "h1, h2, h3, p, li, dt, dd, label, legend, b, .btn, .sos, [data-read]";

let queue = [];
let button = null;

function readable() {
  const area = document.querySelector("main");
  const found = [...area.querySelectorAll(BLOCKS)].filter(
    (one) => one.offsetParent !== null && one.closest(".no-read, .sr-only") === null,
  );
  const leaves = found.filter((one) => !found.some((other) => other !== one && one.contains(other)));
  return leaves.filter((one) => one.textContent.trim() !== "");
}

function label(text) {
  const words = button.querySelector("span");
  words.textContent = text;
}

function clear() {
  for (const one of document.querySelectorAll(".is-read")) one.classList.remove("is-read");
}

function stop() {
  queue = [];
  clear();
  speechSynthesis.cancel();
  button.setAttribute("aria-pressed", "false");
  label(button.dataset.read);
}

function voice() {
  const lang = document.documentElement.lang;
  const voices = speechSynthesis.getVoices();
  return (
    voices.find((one) => one.lang === lang && one.localService) ??
    voices.find((one) => one.lang.startsWith(lang.slice(0, 2)))
  );
}

function say() {
  clear();
  const block = queue.shift();
  if (block === undefined) return stop();
  const words = new SpeechSynthesisUtterance(block.innerText.replace(/\s+/g, " "));
  words.lang = document.documentElement.lang;
  words.rate = 0.85;
  const chosen = voice();
  if (chosen !== undefined) words.voice = chosen;
  words.onend = say;
  words.onerror = () => undefined;
  block.classList.add("is-read");
  block.scrollIntoView({ block: "center" });
  speechSynthesis.speak(words);
}

function toggle() {
  if (speechSynthesis.speaking && !speechSynthesis.paused) {
    speechSynthesis.pause();
    label(button.dataset.resume);
  } else if (speechSynthesis.paused) {
    speechSynthesis.resume();
    label(button.dataset.pause);
  } else {
    queue = readable();
    button.setAttribute("aria-pressed", "true");
    label(button.dataset.pause);
    say();
  }
}

export function start() {
  button = document.querySelector("[data-read-aloud]");
  if (button === null || !("speechSynthesis" in window)) return;
  button.hidden = false;
  button.dataset.read = button.querySelector("span").textContent;
  button.addEventListener("click", toggle);
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
  });
  window.addEventListener("pagehide", stop);
}
