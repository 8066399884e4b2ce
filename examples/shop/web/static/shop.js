"use strict";

// Every form is sent as JSON to the API that programs use. data-api, on the button or its form, says where.
document.addEventListener("submit", async (event) => {
  const form = event.target;
  const button = event.submitter ?? form.querySelector("button");
  event.preventDefault();
  const [method, path] = (button.dataset.api ?? form.dataset.api).split(" ");
  button.disabled = true;
  if ("once" in form.dataset) form.dataset.key ??= newKey(); // the same for each try of one click: what worked reloads the page
  try {
    const answer = await send(method, path, fields(form), form.dataset.key);
    if (answer.ok) return location.reload();
    const problem = await answer.json().catch(() => ({}));
    say(form, problem.detail ?? "The shop does not respond properly. Try again.");
  } catch {
    say(form, "The shop cannot be reached. Try again.");
  }
  button.disabled = false;
});

document.addEventListener("click", (event) => {
  const opener = event.target.closest("[data-opens]");
  if (opener) document.getElementById(opener.dataset.opens).showModal();
  if (event.target.matches("dialog")) event.target.close(); // a click beside the dialog's form
});

function fields(form) {
  const named = [...form.elements].filter((field) => field.name);
  if (named.length === 0) return undefined;
  return Object.fromEntries(named.map((field) => [field.name, field.type === "number" ? field.valueAsNumber : field.value]));
}

// A request with a key may be sent again when it is not known whether it arrived: the shop answers as the first time.
async function send(method, path, body, key) {
  const headers = {};
  if (body) headers["Content-Type"] = "application/json";
  if (key) headers["Idempotency-Key"] = key;
  for (let tries = key ? 4 : 1; ; tries--) {
    try {
      const answer = await fetch(path, { method, headers, body: body && JSON.stringify(body) });
      const later = answer.status >= 500 || answer.headers.has("Retry-After");
      if (!later || tries === 1) return answer;
    } catch (unreachable) {
      if (tries === 1) throw unreachable;
    }
    await new Promise((wake) => setTimeout(wake, 500));
  }
}

function newKey() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

function say(form, text) {
  form.querySelector("output").textContent = text;
}
