// Reads the page to people: block by block, the block being read is marked; again = pause.
// Nothing is sent anywhere: the voice is the device's own. Text in .no-read is left out.
const BLOCKS = "h1, h2, h3, p, li, dt, dd, label, legend, b, .btn, .sos, [data-read]";

let queue = [];
let buttons = [];

function readable() {
  const area = document.querySelector("main");
  const found = [...area.querySelectorAll(BLOCKS)].filter(
    (one) => one.offsetParent !== null && one.closest(".no-read, .sr-only") === null,
  );
  const leaves = found.filter((one) => !found.some((other) => other !== one && one.contains(other)));
  return leaves.filter((one) => one.textContent.trim() !== "");
}

function label(name) {
  for (const one of buttons) one.querySelector("span").textContent = one.dataset[name];
}

function press(on) {
  for (const one of buttons) one.setAttribute("aria-pressed", String(on));
}

function clear() {
  for (const one of document.querySelectorAll(".is-read")) one.classList.remove("is-read");
}

function stop() {
  queue = [];
  clear();
  speechSynthesis.cancel();
  press(false);
  label("read");
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
    label("resume");
  } else if (speechSynthesis.paused) {
    speechSynthesis.resume();
    label("pause");
  } else {
    queue = readable();
    press(true);
    label("pause");
    say();
  }
}

export function start() {
  buttons = [...document.querySelectorAll("[data-read-aloud]")];
  if (buttons.length === 0 || !("speechSynthesis" in window)) return;
  for (const one of buttons) {
    one.hidden = false;
    one.addEventListener("click", toggle);
  }
  document.addEventListener("keydown", (event) => {
    if (event.key === "Escape") stop();
  });
  window.addEventListener("pagehide", stop);
}
