// A button beside a secret that is shown once: copies it, and says so. Without scripts the field can be marked and copied by hand.

for (const button of document.querySelectorAll("[data-copy]")) {
  const field = document.getElementById(button.dataset.copy);
  const told = document.querySelector("[data-copied]");
  button.hidden = false;
  button.addEventListener("click", async () => {
    field.select();
    try {
      await navigator.clipboard.writeText(field.value);
      told.textContent = "Copied.";
    } catch {
      // plain http, or the browser asks and was told no
      told.textContent = document.execCommand("copy") ? "Copied." : "Marked: copy it with your keyboard.";
    }
  });
  field.addEventListener("focus", () => field.select());
}
