"use strict";
// Sends the code, which may be in the fragment of the address, and goes to the door.
const form = document.getElementById("form");
const code = document.getElementById("code");
const status = document.getElementById("status");

async function pair() {
  status.textContent = "One moment …";
  try {
    const answer = await fetch("/pair", { method: "POST", body: code.value });
    if (answer.ok) {
      location.replace("/");
      return;
    }
    const { error } = await answer.json();
    status.textContent = `${error.message[0].toUpperCase()}${error.message.slice(1)}.`;
  } catch {
    status.textContent = "The door does not answer. Try again.";
  }
  code.select();
}

form.addEventListener("submit", (event) => {
  event.preventDefault();
  pair();
});
if (location.hash.length > 1) {
  code.value = decodeURIComponent(location.hash.slice(1));
  history.replaceState(null, "", location.pathname);
  pair();
}
