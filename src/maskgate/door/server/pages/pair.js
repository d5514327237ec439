"use strict";
// Sends the code, which may be in the fragment of the address, and goes to the door.
const texts = JSON.parse(document.getElementById("texts").textContent);
const form = document.getElementById("form");
const code = document.getElementById("code");
const status = document.getElementById("status");

async function pair() {
  status.textContent = texts.wait;
  try {
    const answer = await fetch("/pair", { method: "POST", body: code.value });
    if (answer.ok) {
      location.replace(`/${location.search}`);
      return;
    }
    const { error } = await answer.json();
    status.textContent = texts.errors[error.reason] ?? error.message;
  } catch {
    status.textContent = texts.errors.lost;
  }
  code.select();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  pair();
});
if (location.hash.length > 1) {
  code.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname + location.search);
  pair();
}
