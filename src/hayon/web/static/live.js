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
  // nobody's typing or opened question is thrown away
  if (card.contains(document.activeElement) && document.activeElement.matches("input:not([type=hidden])")) return;
  if ([...card.querySelectorAll("details")].some((one) => one.open !== one.hasAttribute("data-asked"))) return;
  const holder = document.createElement("template");
  holder.innerHTML = await answer.text();
  const fresh = holder.content.firstElementChild;
  if (fresh && fresh.outerHTML !== card.outerHTML) card.replaceWith(fresh);
  countDown();
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
