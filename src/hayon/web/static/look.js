// The live look of the composer: keeps what a person opened or moved while a new look comes in, and fetches shortened words.

const form = document.getElementById("composer");
const look = document.getElementById("look");
let opened = new Set();
let moved = new Map();
let focused = null;

// A session that has ended sends to the front door: that page is no look.
form.addEventListener("htmx:beforeSwap", (event) => {
  const answered = event.detail.xhr.responseURL;
  if (answered && new URL(answered).pathname !== "/compose/look") event.detail.shouldSwap = false;
});

// What has not changed stays as it is: a focus in it is not lost, and a screen reader does not read it again.
document.body.addEventListener("htmx:oobBeforeSwap", (event) => {
  const { target, fragment } = event.detail;
  if (fragment.innerHTML === target.innerHTML) event.detail.shouldSwap = false;
});

look.addEventListener("htmx:beforeSwap", remember);
document.body.addEventListener("htmx:beforeSwap", (event) => event.target === look && remember());
look.addEventListener("htmx:afterSwap", () => {
  for (const fold of look.querySelectorAll("details[data-open]")) fold.open = opened.has(fold.dataset.open);
  for (const strip of look.querySelectorAll("[data-scrolled]")) strip.scrollLeft = moved.get(strip.dataset.scrolled) ?? 0;
  if (focused) look.querySelector(focused)?.focus({ preventScroll: true });
});

function remember() {
  opened = new Set([...look.querySelectorAll("details[data-open][open]")].map((fold) => fold.dataset.open));
  moved = new Map([...look.querySelectorAll("[data-scrolled]")].map((strip) => [strip.dataset.scrolled, strip.scrollLeft]));
  const here = look.contains(document.activeElement) ? document.activeElement : null;
  const fold = here?.closest("details[data-open]");
  focused = here?.dataset.scrolled ? `[data-scrolled="${here.dataset.scrolled}"]` : fold ? `[data-open="${fold.dataset.open}"] > summary` : null;
}

form.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-shorten]");
  if (!button || button.disabled) return;
  const platform = button.dataset.shorten;
  const given = new FormData(form);
  given.delete("picture");
  given.append("platform", platform);
  button.disabled = true;
  const answer = await fetch("/compose/shorten", { method: "POST", body: new URLSearchParams(given), redirect: "manual" }).catch(() => null);
  button.disabled = false;
  if (answer?.ok) {
    form.dispatchEvent(new CustomEvent("differ", { detail: { platform, text: await answer.text() } }));
    return;
  }
  const why = form.querySelector("[data-unshortened]");
  if (!why) return;
  why.textContent = answer?.status === 422 ? await answer.text() : "That did not work. Load the page again, or try later.";
  why.hidden = false;
});
