// Takes files from a page to where they are kept: chosen, dropped or pasted. Each has a line that says how far it is, or why
// it was refused. What becomes of a file that has arrived is its page's business. No markup is made here.

const AT_ONCE = 3;
const SIGNED_OUT = "You are signed out. Sign in with another tab, then try again.";
const waiting = [];
let running = 0;

// `zone` holds the file field, the list and the template of a line; `area` takes what is dropped; `place` says for which tile
// to ask the server. `arrived(tile, line)` puts it where it belongs; `changed()` is told whenever `lines` begin or end.
export function takeFiles(zone, { area, place, arrived, changed = () => {} }) {
  const field = zone.querySelector("input[type=file]");
  const list = zone.querySelector("[data-list]");
  const pattern = zone.querySelector("template[data-line]").content.firstElementChild;
  const lines = new Map(); // each line and what hinders it; nothing while it is under way
  zone.classList.add("scripted");
  field.multiple = true;

  const begin = (files) => {
    for (const file of files) upload(file);
  };

  function upload(file) {
    const line = document.importNode(pattern, true);
    const part = (name) => line.querySelector(`[data-${name}]`);
    const name = file.name || "The picture";
    part("name").textContent = name;
    for (const one of line.querySelectorAll("[data-says]")) one.setAttribute("aria-label", `${one.dataset.says}: ${name}`);
    let stop = new AbortController();
    let mediaId = "";

    const letGo = () => {
      if (mediaId) fetch(`/api/media/${mediaId}`, { method: "DELETE" }).catch(() => {}); // else it is forgotten after a day
      mediaId = "";
    };
    const end = (words) => {
      stop.abort();
      lines.delete(line);
      letGo();
      const inLine = line.contains(document.activeElement);
      line.remove();
      if (inLine) field.focus();
      report();
      zone.querySelector("[data-said]").textContent = words;
    };
    const refuse = (error) => {
      part("why").textContent = error.message;
      part("under-way").hidden = part("cancel").hidden = true;
      part("again").hidden = error.passing === false;
      part("drop").hidden = false;
      lines.set(line, name);
      report();
    };
    const start = () => {
      stop = new AbortController();
      part("why").textContent = "";
      part("under-way").hidden = part("cancel").hidden = false;
      part("again").hidden = part("drop").hidden = true;
      tell("Waiting", 0);
      lines.set(line, "");
      report();
      const { signal } = stop;
      queue(async () => {
        if (signal.aborted) return;
        try {
          const grant = await ask("/api/media/uploads", signal, { mimeType: file.type, size: file.size, name: name.slice(0, 255) });
          mediaId = grant.mediaId;
          tell("Uploading", 0);
          await send(grant, file, signal, (share) => tell("Uploading", share));
          tell("Being looked at");
          await ask(`/api/media/${mediaId}/complete`, signal);
          const tile = await tileOf(mediaId, place, signal);
          lines.delete(line);
          const inLine = line.contains(document.activeElement);
          arrived(tile, line);
          if (inLine) (tile.querySelector("input:not([type=hidden]), a") ?? field).focus();
          report();
        } catch (error) {
          if (signal.aborted) return;
          letGo();
          refuse(error);
        }
      });
    };
    const tell = (words, share) => {
      part("state").textContent = words;
      const bar = line.querySelector("progress");
      if (share === undefined) bar.removeAttribute("value");
      else bar.value = Math.round(share * 100);
    };

    part("cancel").addEventListener("click", () => end(`${name} is not uploaded.`));
    part("drop").addEventListener("click", () => end(`${name} is left out.`));
    part("again").addEventListener("click", start);
    list.append(line);
    const hindrance = misfit(file);
    if (hindrance) refuse(new Refused(hindrance, false));
    else start();
  }

  function misfit(file) {
    const { kinds, largestPicture, largestVideo, taken } = zone.dataset;
    if (!kinds.split(" ").includes(file.type)) return `${file.type || "A file without a type"} is not taken. ${taken}`;
    if (!file.size) return "This file is empty.";
    const isVideo = file.type.startsWith("video/");
    const most = Number(isVideo ? largestVideo : largestPicture);
    return file.size > most ? `A ${isVideo ? "video" : "picture"} may have up to ${inWords(most)}; this one has ${inWords(file.size)}.` : "";
  }

  function report() {
    changed([...lines.values()]);
  }

  function take() {
    begin([...field.files]);
    field.value = ""; // or the form would send them as well
  }

  field.addEventListener("change", take);
  if (field.files.length) take(); // chosen before this was here
  const brings = (event) => event.dataTransfer?.types.includes("Files");
  area.addEventListener("dragover", (event) => {
    if (!brings(event)) return;
    event.preventDefault();
    zone.classList.add("over");
  });
  area.addEventListener("dragleave", (event) => {
    if (!area.contains(event.relatedTarget)) zone.classList.remove("over");
  });
  area.addEventListener("drop", (event) => {
    zone.classList.remove("over");
    if (!brings(event)) return;
    event.preventDefault();
    begin([...event.dataTransfer.files]);
  });
  document.addEventListener("paste", (event) => {
    const files = [...(event.clipboardData?.files ?? [])];
    // words copied from an office program come with a picture of themselves
    if (!files.length || event.clipboardData.types.includes("text/plain")) return;
    event.preventDefault();
    begin(files);
  });
  window.addEventListener("beforeunload", (event) => {
    if ([...lines.values()].includes("")) event.preventDefault();
  });
}

// The tile of a file as the server shows it there.
export async function tileOf(mediaId, place, signal) {
  const holder = document.createElement("template");
  holder.innerHTML = await page(`/media/${mediaId}/tile?for=${place}`, signal);
  return document.importNode(holder.content.firstElementChild, true);
}

// A part of a page, as the server makes it.
export async function page(address, signal) {
  const answer = await reach(address, { signal });
  if (answer.redirected) throw new Refused(SIGNED_OUT, true);
  if (!answer.ok) throw new Refused("This file is not there any more.", answer.status >= 500);
  return answer.text();
}

class Refused extends Error {
  constructor(message, passing) {
    super(message);
    this.passing = passing; // whether trying again may help
  }
}

async function ask(address, signal, body) {
  const sent = { method: "POST", signal };
  if (body) Object.assign(sent, { headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) });
  const answer = await reach(address, sent);
  if (!answer.ok) throw refusal(answer.status, await answer.text());
  return answer.json();
}

async function reach(address, sent) {
  try {
    return await fetch(address, sent);
  } catch {
    throw broken();
  }
}

// Not with fetch, which does not tell how far it is.
function send(grant, file, signal, told) {
  return new Promise((taken, refused) => {
    const request = new XMLHttpRequest();
    request.open(grant.method, addressOf(grant.url));
    for (const [name, value] of Object.entries(grant.headers)) request.setRequestHeader(name, value);
    request.upload.addEventListener("progress", (event) => told(event.loaded / Math.max(1, event.total)));
    request.addEventListener("load", () => (request.status < 300 ? taken() : refused(refusal(request.status, request.responseText))));
    request.addEventListener("error", () => refused(broken()));
    request.addEventListener("abort", () => refused(broken()));
    signal.addEventListener("abort", () => request.abort());
    request.send(file);
  });
}

// Where we keep files ourselves they go to where this page came from, by whatever name this Hayon is reached.
function addressOf(granted) {
  const { pathname } = new URL(granted);
  return pathname.startsWith("/media/uploads/") ? pathname : granted;
}

function refusal(status, said) {
  const passing = ![404, 413, 415, 422].includes(status);
  if (status === 401) return new Refused(SIGNED_OUT, true);
  try {
    const told = JSON.parse(said);
    return new Refused(told.problems?.[0]?.message ?? told.detail, passing);
  } catch {
    return new Refused(`Where the files are kept, this one was refused (status ${status}).`, true);
  }
}

function broken() {
  return new Refused("The connection broke off.", true);
}

function queue(work) {
  waiting.push(work);
  next();
}

function next() {
  if (running >= AT_ONCE || !waiting.length) return;
  running += 1;
  waiting.shift()().finally(() => {
    running -= 1;
    next();
  });
}

function inWords(size) {
  if (size < 1e6) return `${Math.max(1, Math.round(size / 1e3))} kB`;
  const [amount, unit] = size < 1e9 ? [size / 1e6, "MB"] : [size / 1e9, "GB"];
  return `${amount < 10 ? Math.round(amount * 10) / 10 : Math.round(amount)} ${unit}`;
}
