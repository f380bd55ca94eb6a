// Moves posts of the calendar with the mouse, and shows what became of it without loading the page. The calendar works without it.

const LOST = "Hayon did not answer. Load the page again to see whether it was moved.";
let dragged = null;

// A wish to move goes to the server, which decides; the calendar that it answers is the truth, moved or not.
async function move(address, fields, chip) {
  chip?.setAttribute("aria-busy", "true");
  try {
    const answer = await fetch(address, {
      method: "POST", body: new URLSearchParams(fields), headers: { "X-Part": "calendar" },
    });
    if (answer.redirected) return location.reload(); // signed out meanwhile
    const holder = document.createElement("template");
    holder.innerHTML = await answer.text();
    const fresh = holder.content.getElementById("calendar");
    if (!fresh) return say(LOST);
    const scrolled = document.querySelector(".week")?.scrollTop;
    document.getElementById("calendar").replaceWith(fresh);
    htmx.process(fresh);
    const week = document.querySelector(".week");
    if (week) week.scrollTop = scrolled ?? 0;
    document.getElementById("said").replaceChildren(...holder.content.getElementById("said").childNodes);
    focusOn(fields.get("postId"));
  } catch {
    say(LOST);
  } finally {
    chip?.removeAttribute("aria-busy");
  }
}

// Where the post is now; where it went out of sight, the way back.
function focusOn(id) {
  const found = document.getElementById(`chip-${id}`);
  const target = found?.querySelector("summary") ?? found ?? document.querySelector("#said button, #said a");
  target?.focus({ preventScroll: !found });
}

function say(words) {
  const toast = document.createElement("div");
  toast.className = "toast refused";
  toast.textContent = words;
  document.getElementById("said").replaceChildren(toast);
}

// The time of day stays as it is shown; on an hour, the minutes do.
function timeAt(place, chip) {
  const { day, hour, offset } = place.dataset;
  const time = hour === undefined ? chip.dataset.time : hour + chip.dataset.time.slice(2);
  return `${day}T${time}${offset ?? ""}`;
}

function placeOf(event) {
  return dragged && event.target.closest?.("[data-drop]");
}

function unmark() {
  for (const one of document.querySelectorAll(".over")) one.classList.remove("over");
}

document.addEventListener("dragstart", (event) => {
  const chip = event.target.closest?.("[data-movable]");
  if (!chip) return;
  dragged = chip;
  chip.open = false;
  event.dataTransfer.effectAllowed = "move";
  event.dataTransfer.setData("text/plain", chip.querySelector(".first").textContent);
  chip.classList.add("dragging");
});

document.addEventListener("dragover", (event) => {
  const place = placeOf(event);
  if (!place) return;
  event.preventDefault();
  event.dataTransfer.dropEffect = "move";
  if (!place.classList.contains("over")) {
    unmark();
    place.classList.add("over");
  }
});

document.addEventListener("drop", (event) => {
  const place = placeOf(event);
  if (!place) return;
  event.preventDefault();
  const chip = dragged;
  if (place.contains(chip)) return;
  const form = chip.querySelector("form");
  const fields = new URLSearchParams(new FormData(form));
  fields.set("to", timeAt(place, chip));
  move(form.action, fields, chip);
});

document.addEventListener("dragend", () => {
  dragged?.classList.remove("dragging");
  dragged = null;
  unmark();
});

document.addEventListener("submit", (event) => {
  const form = event.target;
  if (!form.matches("form[action^='/calendar/move']")) return;
  event.preventDefault();
  move(form.action, new URLSearchParams(new FormData(form)), form.closest(".chip"));
});

document.addEventListener("click", (event) => {
  if (event.target.closest("[data-close]")) {
    event.preventDefault();
    document.getElementById("said").replaceChildren();
  }
  for (const chip of document.querySelectorAll("details.chip[open]")) {
    if (!chip.contains(event.target)) chip.open = false;
  }
});

document.addEventListener("keydown", (event) => {
  const open = event.key === "Escape" && document.querySelector("details.chip[open]");
  if (!open) return;
  open.open = false;
  open.querySelector("summary").focus();
});

// What opens at the edge of the window comes into sight whole.
document.addEventListener("toggle", (event) => {
  if (event.target.matches("details.chip[open]")) event.target.querySelector(".panel").scrollIntoView({ block: "nearest" });
}, true);

// A week opens at the hours of the day, not at midnight.
function toTheDay() {
  const week = document.querySelector(".week");
  const row = week?.querySelector(".hour[data-hour='07']");
  if (row) week.scrollTop = row.closest(".row-of").offsetTop - week.querySelector("header").offsetHeight;
}

for (const name of ["htmx:afterSwap", "htmx:historyRestore"]) document.addEventListener(name, toTheDay);
toTheDay();
