"use strict";
const all = (selector, within = document) => [...within.querySelectorAll(selector)];
const figure = (cell) => (cell.dataset.v === undefined ? NaN : parseFloat(cell.dataset.v));

function order(table, column, ascending) {
  const body = table.tBodies[0];
  const sign = ascending ? 1 : -1;
  const keyed = [...body.rows].map((row) => {
    const cell = row.cells[column];
    return { row, value: cell.tagName === "TH" ? cell.dataset.v : figure(cell) };
  });
  keyed.sort((a, b) => {
    if (typeof a.value === "string") return sign * a.value.localeCompare(b.value, undefined, { numeric: true });
    if (Number.isNaN(a.value) || Number.isNaN(b.value)) return Number.isNaN(a.value) - Number.isNaN(b.value);
    return sign * (a.value - b.value);
  });
  body.append(...keyed.map((one) => one.row));
}

for (const table of all("table.board")) {
  const heads = all("thead th", table);
  heads.forEach((head, column) => {
    head.querySelector("button").addEventListener("click", () => {
      const better = /Validation|Test|Train$|Front/.test(head.textContent);
      const before = head.getAttribute("aria-sort");
      const ascending = before === "none" ? !better : before === "descending";
      heads.forEach((one) => one.setAttribute("aria-sort", "none"));
      head.setAttribute("aria-sort", ascending ? "ascending" : "descending");
      order(table, column, ascending);
    });
  });
}

for (const form of all("form.filter")) {
  const table = document.getElementById(form.dataset.filters);
  const rows = [...table.tBodies[0].rows];
  const search = form.querySelector("[type=search]");
  const freeze = form.querySelector("select");
  const front = form.querySelector("[type=checkbox]");
  const show = () => {
    const words = search.value.toLowerCase().split(/\s+/).filter(Boolean);
    let shown = 0;
    for (const row of rows) {
      const name = row.querySelector("th").dataset.v.toLowerCase();
      const fits = words.every((word) => name.includes(word));
      const stays = fits && (!freeze?.value || row.dataset.freeze === freeze.value) && (!front.checked || row.dataset.front === "1");
      row.hidden = !stays;
      shown += stays;
    }
    form.querySelector("output").textContent = `${shown} of ${rows.length}`;
  };
  form.addEventListener("input", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.hidden = false;
}

let hot = null;
function light(contender) {
  if (contender === hot) return;
  all(".hot").forEach((one) => one.classList.remove("hot"));
  all(".dimmed").forEach((one) => one.classList.remove("dimmed"));
  hot = contender;
  if (!contender) return;
  const same = all(`[data-c="${CSS.escape(contender)}"]`);
  same.forEach((one) => one.classList.add("hot"));
  same[0].closest("article").classList.add("dimmed");
}
const contenderOf = (event) => event.target.closest?.("[data-c]")?.dataset.c ?? null;
document.addEventListener("pointerover", (event) => light(contenderOf(event)));
document.addEventListener("focusin", (event) => light(contenderOf(event)));

const shown = (value) => (value === null || value === undefined ? "-" : value.toFixed(3));
function point(article, epoch) {
  for (const svg of all("svg.curve", article)) {
    const { epochs, left, right, lines } = svg.dataset;
    const cursor = svg.querySelector(".cursor");
    const readout = svg.parentElement.querySelector(".readout");
    const there = epoch !== null && epoch <= Number(epochs);
    cursor.toggleAttribute("hidden", !there);
    if (!there) {
      readout.textContent = "\u00a0";
      continue;
    }
    const share = epochs > 1 ? (epoch - 1) / (epochs - 1) : 0;
    cursor.setAttribute("transform", `translate(${Number(left) + share * (right - left)} 0)`);
    const at = JSON.parse(lines).map((line) => shown(line[epoch - 1]));
    readout.textContent = `epoch ${epoch}: loss ${at[0]} train, ${at[1]} validation; accuracy ${at[2]}, ${at[3]}`;
  }
}
for (const svg of all("svg.curve")) {
  const article = svg.closest("article");
  svg.addEventListener("pointermove", (event) => {
    const { epochs, left, right } = svg.dataset;
    const box = svg.getBoundingClientRect();
    const x = ((event.clientX - box.left) / box.width) * svg.viewBox.baseVal.width;
    const share = right > left ? (x - left) / (right - left) : 0;
    point(article, Math.min(Number(epochs), Math.max(1, Math.round(1 + share * (epochs - 1)))));
  });
  svg.addEventListener("pointerleave", () => point(article, null));
}

let opened = [];
addEventListener("beforeprint", () => {
  opened = all("details:not([open])");
  opened.forEach((one) => (one.open = all("tr", one).length < 200));
});
addEventListener("afterprint", () => opened.forEach((one) => (one.open = false)));
