// The files of a post in the composer: added, described, put in order, taken out again. The page works without it.

// with the version that this file was asked for, so that no older one is kept beside it
const { takeFiles, tileOf, page } = await import(`./uploading.js${new URL(import.meta.url).search}`);

const strip = document.querySelector("[data-strip]");
if (strip) furnish(strip, strip.closest("form"));

function furnish(zone, form) {
  const list = zone.querySelector("[data-list]");
  const files = () => [...list.querySelectorAll("[data-attached]")];
  const fileOf = (part) => part.closest("[data-attached]");
  let hindrances = [];

  function changed(words = "") {
    const all = files();
    for (const [place, file] of all.entries()) {
      const number = place + 1;
      file.querySelector("[data-number]").textContent = number;
      file.querySelector("img").alt = `File ${number}`;
      for (const button of file.querySelectorAll("[data-says]")) button.setAttribute("aria-label", `${button.dataset.says}: file ${number}`);
      file.querySelector("[data-move=earlier]").disabled = place === 0;
      file.querySelector("[data-move=later]").disabled = number === all.length;
    }
    say(words);
    for (const kind of ["look", "input"]) form.dispatchEvent(new Event(kind, { bubbles: true }));
  }

  function say(words) {
    zone.querySelector("[data-said]").textContent = words;
  }

  function attach(tile, line) {
    if (list.querySelector(`[data-attached="${tile.dataset.attached}"]`)) return; // answered twice
    if (line) line.replaceWith(tile);
    else list.append(tile);
    changed(`File ${files().indexOf(tile) + 1} is attached.`);
  }

  takeFiles(zone, {
    area: form,
    place: "compose",
    arrived: attach,
    changed: (ends) => {
      hindrances = ends;
      const underWay = ends.filter((end) => !end).length;
      if (underWay) form.dataset.uploading = underWay;
      else delete form.dataset.uploading;
    },
  });

  form.addEventListener("submit", (event) => {
    if (!hindrances.length) return;
    const underWay = hindrances.filter((end) => !end).length;
    event.preventDefault();
    event.stopImmediatePropagation();
    const words = underWay === 1 ? "1 file is still being uploaded." : `${underWay} files are still being uploaded.`;
    say(underWay ? words : `${hindrances[0]} is not in this post: remove it here, or try again.`);
    zone.scrollIntoView({ block: "nearest" });
  }, { capture: true });

  list.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    const file = button && fileOf(button);
    if (!file) return;
    const number = files().indexOf(file) + 1;
    if (button.matches("[data-remove]")) {
      const next = file.nextElementSibling ?? file.previousElementSibling;
      file.remove();
      (next?.querySelector("[data-remove]") ?? zone.querySelector("input[type=file]")).focus();
      changed(`File ${number} is taken out of this post.`);
    }
    if (button.matches("[data-move]")) {
      const others = files();
      const other = others[number - 1 + (button.dataset.move === "earlier" ? -1 : 1)];
      if (button.dataset.move === "earlier") other.before(file);
      else other.after(file);
      changed(`File ${number} is file ${files().indexOf(file) + 1} now.`);
      (button.disabled ? file.querySelector("[data-move]:not(:disabled)") : button).focus();
    }
  });

  // by its grip a file is drawn to another place
  list.addEventListener("pointerdown", (event) => {
    const grip = event.target.closest("[data-grip]");
    if (!grip || event.button) return;
    event.preventDefault();
    const file = fileOf(grip);
    const before = files().indexOf(file) + 1;
    file.classList.add("moving");
    const follow = ({ clientX, clientY }) => {
      const under = document.elementFromPoint(clientX, clientY)?.closest("[data-attached]");
      if (!under || under === file || !list.contains(under)) return;
      const { top, height } = under.getBoundingClientRect();
      const isLater = Boolean(file.compareDocumentPosition(under) & Node.DOCUMENT_POSITION_FOLLOWING);
      // not before its middle is passed, or two of different heights would change places for ever
      if (isLater && clientY > top + height / 2) under.after(file);
      if (!isLater && clientY < top + height / 2) under.before(file);
    };
    const drop = () => {
      for (const [kind, act] of acts) window.removeEventListener(kind, act);
      file.classList.remove("moving");
      const now = files().indexOf(file) + 1;
      if (now !== before) changed(`File ${before} is file ${now} now.`);
    };
    const acts = [["pointermove", follow], ["pointerup", drop], ["pointercancel", drop]];
    for (const [kind, act] of acts) window.addEventListener(kind, act);
  });

  const picker = document.querySelector("[data-picker]");
  const picks = picker.querySelector("[data-picks]");

  async function show(address, place) {
    const said = picker.querySelector("[data-picker-said]");
    said.textContent = "One moment …";
    try {
      const holder = document.createElement("template");
      holder.innerHTML = await page(address);
      place(document.importNode(holder.content, true));
      said.textContent = "";
    } catch (error) {
      said.textContent = error.message;
    }
  }

  zone.querySelector("[data-pick]").addEventListener("click", () => {
    picks.replaceChildren();
    picker.showModal();
    show("/media/pick", (part) => picks.append(part));
  });
  picker.addEventListener("click", async (event) => {
    const button = event.target.closest("button");
    if (event.target === picker || button?.matches("[data-close]")) picker.close();
    const older = button?.dataset.older;
    if (older) {
      const row = button.parentElement;
      show(older, (part) => row.replaceWith(part));
    }
    const mediaId = button?.dataset.media;
    if (!mediaId) return;
    const known = list.querySelector(`[data-attached="${mediaId}"]`);
    try {
      const tile = known ?? await tileOf(mediaId, "compose");
      picker.close();
      if (known) say("That file is in this post already.");
      else attach(tile);
      tile.querySelector("input:not([type=hidden])").focus();
    } catch (error) {
      picker.querySelector("[data-picker-said]").textContent = error.message;
    }
  });
}
