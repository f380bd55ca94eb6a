// Keeps posts fresh by their streams of events and counts down to the next try. The pages work without it.

const LINES = 3; // a browser opens few connections to one host; the rest of the posts take their turn
const watched = new Map(); // the stream of each post that is watched

function watchNext() {
  for (const [id, events] of watched) {
    if (document.getElementById(`post-${id}`)?.dataset.watch) continue;
    events.close(); // its card is gone: another list is shown
    watched.delete(id);
  }
  for (const card of document.querySelectorAll("[data-watch]")) {
    if (watched.size >= LINES) return;
    if (!watched.has(card.dataset.watch)) watch(card.dataset.watch);
  }
}

function watch(id) {
  const events = new EventSource(`/api/posts/${id}/events`);
  watched.set(id, events);
  events.addEventListener("status", () => refresh(id));
  events.addEventListener("end", () => {
    events.close();
    refresh(id).then(() => {
      document.getElementById(`post-${id}`)?.removeAttribute("data-watch");
      watchNext();
    });
  });
}

async function refresh(id) {
  const from = document.getElementById(`post-${id}`)?.dataset.from;
  if (!from) return;
  const answer = await fetch(from);
  const card = document.getElementById(`post-${id}`);
  if (!card || !answer.ok || answer.redirected) return;
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const fresh = holder.content.firstElementChild;
  if (!fresh) return;
  const name = card.getAttribute("aria-label");
  const focused = document.activeElement?.id;
  renew(card, fresh);
  // a button that was made anew is where the keyboard was
  if (focused && document.activeElement === document.body) document.getElementById(focused)?.focus();
  const heard = document.getElementById("heard");
  if (heard && name !== fresh.getAttribute("aria-label")) heard.textContent = fresh.getAttribute("aria-label");
  countDown();
}

// Puts the fresh part in place of the old one, part by part: what did not change stays, as does what somebody opened or is
// typing in: that is never thrown away.
function renew(old, fresh) {
  if (old.isEqualNode(fresh)) return;
  if (old.matches("details") && isInUse(old)) {
    if (old.querySelector("input:not([type=hidden])")) return;
    fresh.open = old.open; // nothing is typed there, so it says what is true by now, and stays open
    old.replaceWith(fresh);
    return;
  }
  if (!old.querySelector(":scope > [data-part]")) {
    if (!isInUse(old)) old.replaceWith(fresh);
    return;
  }
  for (const { name, value } of [...fresh.attributes]) old.setAttribute(name, value);
  for (const { name } of [...old.attributes]) if (!fresh.hasAttribute(name)) old.removeAttribute(name);
  const parts = new Set([...fresh.children].map((part) => part.dataset.part).filter(Boolean));
  const staying = new Map();
  for (const part of [...old.children]) {
    if (parts.has(part.dataset.part)) staying.set(part.dataset.part, part);
    else part.remove(); // of a question: it is settled
  }
  let next = old.firstElementChild;
  for (const part of [...fresh.children]) {
    const known = staying.get(part.dataset.part);
    if (known) {
      if (known === next) next = known.nextElementSibling;
      else old.insertBefore(known, next);
      renew(known, part);
    } else {
      old.insertBefore(part, next);
    }
  }
}

function isInUse(part) {
  const active = document.activeElement;
  if (part.contains(active) && active.matches("input:not([type=hidden])")) return true;
  if ([...part.querySelectorAll("input:not([type=hidden])")].some((one) => one.value !== one.defaultValue)) return true;
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
// what is decided in a list leads back to it as it was
document.addEventListener("submit", ({ target }) => {
  const back = target.querySelector("input[name=back]");
  if (back) back.value = location.search;
});
// an address says only what is asked for
document.addEventListener("htmx:configRequest", ({ detail }) => {
  if (!detail.elt.matches(".filters")) return;
  for (const [name, value] of [...detail.formData]) if (value === "") detail.formData.delete(name);
});
document.addEventListener("htmx:afterSettle", () => {
  watchNext();
  countDown();
});
watchNext();
countDown();
setInterval(countDown, 1000);
