// The composer made handy: tabs for what is said differently, only the cards of chosen platforms. The form works without it.

const form = document.getElementById("composer");
const tabs = [...form.querySelectorAll("[data-tab]")];
const voices = new Map();
const everywhere = form.elements.text;

// Without scripts what is said differently lies in folds; with them it lies behind tabs.
for (const fold of form.querySelectorAll("[data-otherwise]")) fold.replaceWith(fold.querySelector("[data-voice]"));
for (const voice of form.querySelectorAll("[data-voice]")) {
  voice.setAttribute("role", "tabpanel");
  voice.setAttribute("aria-labelledby", `tab-${voice.dataset.voice}`);
  voices.set(voice.dataset.voice, voice);
}
for (const part of form.querySelectorAll(".differs")) part.hidden = true;
for (const part of form.querySelectorAll(".again, [role=tablist], .differently")) part.hidden = false;

form.addEventListener("click", (event) => {
  const button = event.target.closest("button");
  if (!button) return;
  if (button.dataset.tab) open(button.dataset.tab);
  if (button.dataset.differ) differ(button.dataset.differ);
  if (button.dataset.back) sayAsEverywhere(button.dataset.back);
});
form.addEventListener("keydown", (event) => {
  const shown = tabs.filter((tab) => !tab.hidden);
  const here = shown.indexOf(event.target);
  if (here < 0) return;
  const there = { ArrowRight: here + 1, ArrowLeft: here - 1, Home: 0, End: shown.length - 1 }[event.key];
  if (there === undefined) return;
  event.preventDefault();
  const next = shown.at(there % shown.length);
  open(next.dataset.tab);
  next.focus();
});
form.addEventListener("input", (event) => {
  if (event.target.name === "accountIds") showChosen();
  if (event.target.name === "scheduledAt") showWish();
  const card = event.target.closest("[data-options]");
  if (card) count(card);
});
form.addEventListener("submit", (event) => {
  if (event.submitter?.value !== "schedule" || form.elements.scheduledAt.value) return;
  event.preventDefault();
  const place = document.getElementById("findings-schedule");
  place.innerHTML = '<p class="needs" data-untimed>Choose the date and time first, or press “Publish now”.</p>';
  form.elements.scheduledAt.focus();
});
// Words for one platform that come from elsewhere: shortened ones.
form.addEventListener("differ", ({ detail }) => {
  form.elements[`text-${detail.platform}`].value = detail.text;
  differ(detail.platform);
});
addEventListener("pageshow", showChosen); // a browser that comes back may have filled the fields anew

function open(name) {
  for (const tab of tabs) {
    const here = tab.dataset.tab === name;
    tab.setAttribute("aria-selected", String(here));
    tab.tabIndex = here ? 0 : -1;
  }
  for (const [one, voice] of voices) voice.hidden = one !== name;
}

function differ(platform) {
  const words = form.elements[`text-${platform}`];
  if (!words.value.trim()) words.value = everywhere.value; // what was said there before is taken up again
  tick(platform, true);
  open(platform);
  words.focus();
}

function sayAsEverywhere(platform) {
  tick(platform, false);
  open("everywhere");
  everywhere.focus();
}

function tick(platform, differs) {
  voices.get(platform).querySelector("[name=differs]").checked = differs;
  showChosen();
  document.body.dispatchEvent(new Event("look"));
}

// Tabs, buttons and cards of the platforms that are chosen; the others keep what they hold.
function showChosen() {
  const chosen = new Set([...form.querySelectorAll("[name=accountIds]:checked")].map((box) => box.dataset.platform));
  const apart = new Set([...form.querySelectorAll("[name=differs]:checked")].map((box) => box.value));
  for (const tab of tabs) tab.hidden = tab.dataset.tab !== "everywhere" && !(chosen.has(tab.dataset.tab) && apart.has(tab.dataset.tab));
  for (const button of form.querySelectorAll("[data-differ]")) {
    button.hidden = !chosen.has(button.dataset.differ) || apart.has(button.dataset.differ);
  }
  const offers = form.querySelector(".differently");
  offers.hidden = !offers.querySelector("[data-differ]:not([hidden])");
  for (const card of form.querySelectorAll("[data-options]")) card.hidden = !chosen.has(card.dataset.options);
  if (tabs.find((tab) => tab.getAttribute("aria-selected") === "true")?.hidden) open("everywhere");
}

function count(card) {
  const set = new Set();
  for (const field of card.querySelectorAll("input:not([type=hidden]), select")) {
    if (field.type === "checkbox" ? field.checked : field.value.trim()) set.add(field.name);
  }
  card.querySelector(".set").textContent = set.size ? `${set.size} set` : "";
}

// Where a time is set, what a person most likely means is to schedule.
function showWish() {
  const timed = Boolean(form.elements.scheduledAt.value);
  if (timed) document.querySelector("#findings-schedule [data-untimed]")?.remove();
  form.querySelector(".out [value=publish]")?.classList.toggle("plain", timed);
  form.querySelector(".out [value=schedule]")?.classList.toggle("plain", !timed);
}

open("everywhere");
showChosen();
