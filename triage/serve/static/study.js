// The page of one study: the attention map on request only, and a warning when the answer shown is no longer the newest.
"use strict";

const POLL_MILLISECONDS = 4000;
const main = document.querySelector("main");
const changed = document.getElementById("changed");
const toggle = document.getElementById("attention");

function showAttention(on) {
  for (const map of document.querySelectorAll("img.attention")) {
    if (on && !map.src) map.src = map.dataset.src;
    map.hidden = !on;
  }
  document.getElementById("stamp").hidden = !on;
}

async function poll() {
  try {
    const answer = await fetch(location.href, { headers: { accept: "text/html" } });
    if (!answer.ok) throw new Error(String(answer.status));
    const page = new DOMParser().parseFromString(await answer.text(), "text/html");
    if (page.querySelector("main").dataset.revision !== main.dataset.revision) {
      if (main.dataset.open === "yes") return location.reload();
      document.getElementById("outcome").textContent = "The answer shown here no longer holds.";
      warn("This study has changed since the page was loaded. ", true);
      main.classList.add("outdated");
    } else changed.hidden = true;
  } catch {
    warn("No connection to the service: this page may no longer hold. ", false);
  }
  setTimeout(poll, POLL_MILLISECONDS);
}

function warn(text, reload) {
  changed.textContent = text;
  if (reload) {
    const link = document.createElement("a");
    link.href = location.href;
    link.textContent = "Load it again";
    changed.append(link);
  }
  changed.hidden = false;
}

if (toggle) {
  toggle.checked = false;
  toggle.addEventListener("change", () => showAttention(toggle.checked));
}
document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  if (event.key === "w") location.assign("/worklist");
});
setTimeout(poll, POLL_MILLISECONDS);
