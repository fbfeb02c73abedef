"use strict";
const rows = [...document.querySelectorAll("tr.relation")];
const buttons = [...document.querySelectorAll("button[data-verdict]")];
const find = document.getElementById("find");
let verdict = "";
function show() {
  const words = find.value.toLowerCase();
  for (const row of rows) {
    const wanted = !verdict || row.classList.contains(verdict);
    row.hidden = !wanted || !row.textContent.toLowerCase().includes(words);
  }
  for (const button of buttons) button.setAttribute("aria-pressed", String(button.dataset.verdict === verdict));
}
for (const button of buttons) button.addEventListener("click", () => { verdict = button.dataset.verdict; show(); });
find.addEventListener("input", show);
show();
