// Comfort only: every page works without this file.
"use strict";

// Selects or clears all rows of a table at once, and shows how many are selected.
for (const all of document.querySelectorAll("input[data-all]")) {
  const boxes = () => [...document.querySelectorAll(`input[name="${all.dataset.all}"]`)];
  const counter = document.querySelector("[data-selected]");
  const show = () => {
    const selected = boxes().filter((box) => box.checked).length;
    if (counter) counter.textContent = String(selected);
    all.checked = selected > 0 && selected === boxes().length;
    all.indeterminate = selected > 0 && !all.checked;
  };
  all.hidden = false;
  all.addEventListener("change", () => { for (const box of boxes()) box.checked = all.checked; show(); });
  for (const box of boxes()) box.addEventListener("change", show);
  show();
}

// j and k move through the rows of a worklist, x selects one.
const rows = [...document.querySelectorAll("tr[data-row]")];
let place = -1;
document.addEventListener("keydown", (event) => {
  if (event.target.closest("input:not([type=checkbox]), select, textarea") || event.ctrlKey || event.metaKey || event.altKey) return;
  if (!rows.length || !["j", "k", "x"].includes(event.key)) return;
  if (event.key === "x") { rows[place]?.querySelector("input[type=checkbox]")?.click(); return; }
  place = Math.min(rows.length - 1, Math.max(0, place + (event.key === "j" ? 1 : -1)));
  rows[place].querySelector("a, input")?.focus();
});

// A form is sent once, even if its button is pressed twice.
for (const form of document.querySelectorAll("form[method=post]")) {
  form.addEventListener("submit", () => setTimeout(() => {
    for (const button of form.querySelectorAll("button")) button.disabled = true;
  }));
}
window.addEventListener("pageshow", () => {
  for (const button of document.querySelectorAll("form button")) button.disabled = false;
});

// On this machine, the one-time link signs in without another click.
document.querySelector("form[data-at-once]")?.requestSubmit();

// Shows the progress of what runs, unless a person types.
for (const place of document.querySelectorAll("[data-again]")) {
  setTimeout(() => { if (!document.activeElement?.closest("form")) location.reload(); }, place.dataset.again * 1000);
}

// Fields that name an account suggest those that contain what was typed.
for (const field of document.querySelectorAll("input[data-suggest]")) {
  let asked = 0;
  field.addEventListener("input", async () => {
    const turn = (asked += 1);
    const answer = await fetch(`${field.dataset.suggest}?q=${encodeURIComponent(field.value)}`);
    const names = answer.ok ? await answer.json() : [];
    if (turn !== asked) return;
    field.list.replaceChildren(...names.map((name) => Object.assign(document.createElement("option"), { value: name })));
  });
}

// Offers the time zone of the browser.
for (const button of document.querySelectorAll("button[data-own-zone]")) {
  button.value = Intl.DateTimeFormat().resolvedOptions().timeZone ?? "";
  button.append(button.value);
  button.hidden = !button.value;
}

// A calendar that is wider than the window shows its newest days.
for (const table of document.querySelectorAll(".scroll > table.grid")) {
  const ends = [...table.querySelectorAll(".cell")].map((cell) => cell.offsetLeft + cell.offsetWidth);
  table.parentElement.scrollLeft = Math.max(0, ...ends) + 8 - table.parentElement.clientWidth;
}
