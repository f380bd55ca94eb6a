// Keeps the list of posts fresh and counts down to the next try. The pages work without it.

const LINES = 3; // a browser opens few connections to one host; the rest of the posts take their turn
const watched = new Set();

function watchNext() {
  if (watched.size >= LINES) return;
  for (const card of document.querySelectorAll("[data-watch]")) {
    if (watched.size >= LINES) return;
    if (!watched.has(card.dataset.watch)) watch(card.dataset.watch);
  }
}

function watch(id) {
  watched.add(id);
  const events = new EventSource(`/api/posts/${id}/events`);
  events.addEventListener("status", () => refresh(id));
  events.addEventListener("end", () => {
    events.close();
    refresh(id).then(() => {
      watched.delete(id);
      document.getElementById(`post-${id}`)?.removeAttribute("data-watch");
      watchNext();
    });
  });
}

async function refresh(id) {
  const answer = await fetch(`/posts/${id}/card`);
  const card = document.getElementById(`post-${id}`);
  if (!card || !answer.ok || answer.redirected) return;
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const fresh = holder.content.firstElementChild;
  if (fresh) renew(card, fresh);
  countDown();
}

// Puts the fresh part in place of the old one, around what somebody opened or is typing in: that is never thrown away.
function renew(old, fresh) {
  if (!isInUse(old)) {
    if (!old.isEqualNode(fresh)) old.replaceWith(fresh);
    return;
  }
  if (old.matches("details")) return;
  for (const { name, value } of [...fresh.attributes]) old.setAttribute(name, value);
  const staying = new Map();
  for (const part of [...old.children]) {
    if (part.dataset.part && isInUse(part)) staying.set(part.dataset.part, part);
    else part.remove();
  }
  let next = old.firstElementChild;
  for (const part of [...fresh.children]) {
    const known = staying.get(part.dataset.part);
    if (known) {
      staying.delete(part.dataset.part);
      next = known.nextElementSibling;
      renew(known, part);
    } else {
      old.insertBefore(part, next);
    }
  }
  for (const gone of staying.values()) gone.remove(); // its question is settled
}

function isInUse(part) {
  const active = document.activeElement;
  if (part.contains(active) && active.matches("input:not([type=hidden])")) return true;
  if ([...part.querySelectorAll("input")].some((one) => one.value !== one.defaultValue)) return true;
  const opened = [...part.querySelectorAll("details")].concat(part.matches("details") ? [part] : []);
  return opened.some((one) => one.hasAttribute("data-typed") || one.open !== one.hasAttribute("data-asked"));
}

function countDown() {
  for (const time of document.querySelectorAll("time[data-countdown]")) {
    const seconds = Math.round((new Date(time.dateTime) - Date.now()) / 1000);
    if (seconds <= 0) time.textContent = "now";
    else if (seconds < 90) time.textContent = `in ${seconds} s`;
    else if (seconds < 5400) time.textContent = `in ${Math.round(seconds / 60)} min`;
  }
}

for (const field of document.querySelectorAll("[data-zone]")) {
  if (field.value === "UTC") field.value = Intl.DateTimeFormat().resolvedOptions().timeZone || "UTC";
}
watchNext();
countDown();
setInterval(countDown, 1000);
