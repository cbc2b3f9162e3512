// The live worklist. Rows are known by their Study Instance UID, never by their place: a row that arrives must not move
// the selection to another patient. What is shown keeps its order until the reader asks for the new one.
"use strict";

const POLL_MILLISECONDS = 4000;
const SELECTED = "triage-selected-study";
const rows = document.getElementById("rows");
const arrivals = document.getElementById("arrivals");
const live = document.getElementById("live");
const search = document.getElementById("search");
let newest = null;

const studies = (body) => [...body.querySelectorAll("tr[data-uid]")];
const uids = (body) => studies(body).map((row) => row.dataset.uid);
const find = (body, uid) => studies(body).find((row) => row.dataset.uid === uid);
const selected = () => sessionStorage.getItem(SELECTED);

function markSelected() {
  for (const row of studies(rows)) row.toggleAttribute("data-selected", row.dataset.uid === selected());
}

function select(row, focus) {
  sessionStorage.setItem(SELECTED, row.dataset.uid);
  markSelected();
  row.scrollIntoView({ block: "nearest" });
  if (focus) row.querySelector("a").focus({ preventScroll: true });
}

function step(by) {
  const all = studies(rows);
  const here = all.findIndex((row) => row.dataset.uid === selected());
  const row = all[here < 0 ? 0 : Math.min(all.length - 1, Math.max(0, here + by))];
  if (row) select(row, true);
}

function updateRow(row, fresh) {
  const focused = row.contains(document.activeElement);
  row.classList.remove("gone");
  [...row.cells].forEach((cell, index) => {
    if (cell.innerHTML !== fresh.cells[index].innerHTML) cell.replaceWith(document.importNode(fresh.cells[index], true));
  });
  if (focused) row.querySelector("a").focus({ preventScroll: true });
}

// A row that the list no longer holds may have another flag by now: the old one must not stay on the screen.
function markGone(row) {
  if (row.classList.contains("gone")) return;
  row.classList.add("gone");
  row.querySelector(".flag").textContent = "No longer in this list";
}

function adopt(body) {
  newest = body;
  for (const row of studies(rows)) {
    const fresh = find(body, row.dataset.uid);
    if (fresh) updateRow(row, fresh);
    else markGone(row);
  }
  const shown = uids(rows);
  const coming = uids(body);
  const added = coming.filter((uid) => !shown.includes(uid)).length;
  arrivals.hidden = shown.join() === coming.join();
  arrivals.textContent = added ? `${added} new` : "Order changed";
  if (!shown.length && added) showNewest();
}

function showNewest() {
  const focused = rows.contains(document.activeElement) || document.activeElement === arrivals;
  rows.replaceChildren(...[...newest.children].map((row) => document.importNode(row, true)));
  arrivals.hidden = true;
  markSelected();
  const row = find(rows, selected());
  if (focused && row) row.querySelector("a").focus({ preventScroll: true });
}

async function poll() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    adopt(page.getElementById("rows"));
    for (const id of ["tabs", "service"]) {
      const part = document.getElementById(id);
      const fresh = page.getElementById(id);
      if (part.innerHTML !== fresh.innerHTML && !part.contains(document.activeElement)) {
        part.replaceChildren(...[...fresh.childNodes].map((node) => document.importNode(node, true)));
      }
    }
    live.textContent = page.getElementById("live").textContent;
    document.body.classList.remove("stale");
  } catch {
    if (!document.body.classList.contains("stale")) live.textContent += ": no connection, not live";
    document.body.classList.add("stale");
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "Escape" && event.target === search) return search.blur();
  if (event.target instanceof HTMLInputElement) return;
  if (event.key === "j") step(1);
  else if (event.key === "k") step(-1);
  else if (event.key === "/") search.focus();
  else if (event.key === "Enter" && !event.target.closest("a, button")) {
    const row = find(rows, selected());
    if (row) location.assign(row.querySelector("a").href);
  } else return;
  event.preventDefault();
});

for (const kind of ["click", "focusin"]) {
  rows.addEventListener(kind, (event) => {
    const row = event.target.closest("tr[data-uid]");
    if (row) select(row, false);
  });
}
rows.addEventListener("dblclick", (event) => {
  const row = event.target.closest("tr[data-uid]");
  if (row) location.assign(row.querySelector("a").href);
});
arrivals.addEventListener("click", showNewest);

markSelected();
setTimeout(poll, POLL_MILLISECONDS);
