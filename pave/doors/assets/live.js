// Keeps the page true: an event asks for the board again, at most four times a second. Without script
// the page is complete; it just stays as it was when it was opened.

const board = document.querySelector("[data-board]");
const live = document.querySelector("[data-live]");

document.addEventListener("click", async (event) => {
  const button = event.target.closest("[data-copy]");
  if (!button) return;
  await navigator.clipboard.writeText(button.dataset.copy);
  button.textContent = "Copied";
  setTimeout(() => { button.textContent = "Copy"; }, 1500);
});

function say(text, well) {
  live.textContent = text;
  live.parentElement.classList.toggle("off", !well);
}

function ago(at) {
  const seconds = (Date.now() - new Date(at)) / 1000;
  for (const [size, unit] of [[86400, "day"], [3600, "h"], [60, "min"]]) {
    const count = Math.floor(seconds / size);
    if (count > 0) return `${count} ${unit}${unit === "day" && count > 1 ? "s" : ""} ago`;
  }
  return "just now";
}

function age() {
  for (const time of board.querySelectorAll("time[data-prefix]")) {
    time.textContent = time.dataset.prefix + ago(time.dateTime);
  }
}

let asked = false;
let asking = false;

async function refresh() {
  if (asking) { asked = true; return; }
  asking = true;
  try {
    const answer = await fetch("/?fragment", { headers: { Accept: "text/html" } });
    if (answer.status === 401) { location.reload(); return; }
    if (answer.ok) {
      const focused = document.activeElement?.dataset?.copy;
      board.innerHTML = await answer.text();
      if (focused) board.querySelector(`[data-copy="${CSS.escape(focused)}"]`)?.focus();
    }
  } finally {
    setTimeout(() => {
      asking = false;
      if (asked) { asked = false; refresh(); }
    }, 250);
  }
}

if (board) {
  const source = new EventSource(`/api/v1/events?after=${board.dataset.after}`);
  source.addEventListener("event", refresh);
  source.addEventListener("open", () => say("Live", true));
  source.addEventListener("error", () => say("Reconnecting…", false));
  setInterval(age, 30_000);
}
