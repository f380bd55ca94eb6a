// Keeps what is written as a draft, by itself: some seconds after the last change, and when the page is left.

const WAIT = 3000; // after the last change
const AGAIN = 10000; // after a try that did not come through
const ROOM = 60000; // what a browser still sends for a page that is gone (https://fetch.spec.whatwg.org/#request-keepalive-flag)
const APART = new Set(["csrf", "key", "postId", "version", "picture", "altText", "do"]);

const form = document.getElementById("composer");
const said = document.getElementById("kept");
const conflict = document.getElementById("conflict");
let kept = "unsaved" in form.dataset ? "" : snapshot(); // the form as it was stored last
let stopped = "planned" in form.dataset || !conflict.hidden; // what is planned changes only when its author says so
let lost = false; // the last try did not come through
let leaving = false; // the form itself is on its way
let underWay = null;
let timer = 0;

form.addEventListener("input", plan);
document.body.addEventListener("look", plan);
document.addEventListener("visibilitychange", () => document.visibilityState === "hidden" && keep());
addEventListener("pageshow", ({ persisted }) => {
  leaving = false;
  if (!persisted) comeBack();
});
addEventListener("beforeunload", (event) => {
  if (leaving || !isChanged()) return;
  const sent = !stopped && !lost && fits(fields());
  if (sent) keep();
  if (!sent || form.elements.picture?.files.length) event.preventDefault(); // the browser asks before words are lost
});
form.addEventListener("submit", (event) => {
  if (event.defaultPrevented) return;
  if (leaving) return event.preventDefault(); // pressed twice
  if (underWay) {
    // what is being kept has to be known first, for the post it made is the one that goes out
    event.preventDefault();
    const button = event.submitter;
    say("One moment: what you wrote is being saved first.");
    underWay.finally(() => form.requestSubmit(button));
    return;
  }
  clearTimeout(timer);
  leaving = true;
  setTimeout(() => (leaving = false), 5000); // whoever stopped the browser may press again
});

if (isChanged()) plan();

function plan() {
  clearTimeout(timer);
  if (!stopped && !leaving && isChanged()) timer = setTimeout(keep, WAIT);
}

// A browser that comes back fills in the words, but not which form they were in: by its key they make no second post, and by
// its version they do not overwrite what was changed elsewhere meanwhile.
function comeBack() {
  const before = history.state?.form;
  const refilled = [...form.querySelectorAll("textarea")].some((field) => field.value !== field.defaultValue);
  if (!before || !refilled) return remember(location.href);
  form.elements.key.value = before.key;
  form.elements.version.value = before.version;
  kept = "";
  plan();
}

function remember(address) {
  const { key, version } = form.elements;
  history.replaceState({ ...history.state, form: { key: key.value, version: version.value } }, "", address);
}

function isChanged() {
  return snapshot() !== kept;
}

function snapshot() {
  return JSON.stringify([...new FormData(form)].filter(([name]) => !APART.has(name)));
}

// In parts, as the form itself is sent: written the other way each letter of some scripts takes twelve bytes.
function fields() {
  const given = new FormData(form);
  given.delete("picture");
  return given;
}

function fits(given) {
  let size = 0;
  for (const [name, value] of given) size += new Blob([name, value]).size + 150; // what stands around each part
  return size < ROOM;
}

function keep() {
  clearTimeout(timer);
  if (stopped || leaving || underWay || !isChanged()) return;
  underWay = send(snapshot(), fields()).finally(() => {
    underWay = null;
    if (!lost) plan(); // what was written meanwhile
  });
}

async function send(shown, body) {
  lost = true;
  let answer;
  try {
    answer = await fetch("/compose/keep", {
      method: "POST", body, keepalive: fits(body), redirect: "manual", headers: { Accept: "application/json" },
    });
  } catch {
    return miss("Not saved: Hayon cannot be reached. It is tried again.");
  }
  if (answer.status === 204) return void ((lost = false), (kept = shown));
  const told = await answer.json().catch(() => ({}));
  if (answer.status === 404 || answer.status === 409) return stop(told, answer.status);
  // a stranger is sent to the front door, and a form of another session is refused
  if (answer.type === "opaqueredirect" || answer.status === 403) return miss("Not saved: sign in again in another tab, then go on here.");
  // an answer that broke off says nothing: the page was being left, or the line is bad
  if (!answer.ok || !told.postId) return miss(`Not saved: ${told.message ?? "that did not work."}`);
  lost = false;
  kept = shown;
  form.elements.postId.value = told.postId;
  form.elements.version.value = told.version;
  const here = `/posts/${told.postId}/edit`;
  form.action = here;
  remember(here);
  const time = new Date(told.savedAt).toLocaleTimeString([], { hour: "2-digit", minute: "2-digit", hourCycle: "h23" });
  say(`Saved ${time}${told.unkept.length ? `, but without this: ${told.unkept.join(" ")}` : ""}`, told.unkept.length > 0);
}

function miss(words) {
  say(words, true);
  timer = setTimeout(keep, AGAIN);
}

// Somebody changed it elsewhere: theirs and ours both stay, and a person decides.
function stop(told, status) {
  stopped = true;
  say("Not saved", true);
  conflict.querySelector("[data-why]").textContent = told.message;
  const theirs = conflict.querySelector("[data-theirs]");
  const { value: postId } = form.elements.postId;
  theirs.href = postId ? `/posts/${postId}/edit` : "/";
  theirs.hidden = status === 404;
  conflict.hidden = false;
  conflict.scrollIntoView({ block: "nearest" });
}

function say(words, bad = false) {
  said.textContent = words;
  said.classList.toggle("needs", bad);
}
