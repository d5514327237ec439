"use strict";
// Shows one question at a time. A key is answered when its decision is on the disk.

const byId = (id) => document.getElementById(id);
const TITLES = { mask: "Mask", gender: "Gender", age_band: "Age band" };
const WORDS = { keep: "kept", change: "changed", unsure: "unsure", drop: "dropped" };
const VALUES = { wear: "worn", incorrect: "worn incorrectly", not_wear: "not worn" };

let overview = null, question = null, tier = "likely", isBusy = false;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

const inWords = (value) => VALUES[value] ?? value.replace("-", "–").replace(">=", "≥");
const percent = (share) => `${(100 * share).toFixed(share > 0.995 || share < 0.005 ? 1 : 0)}%`;
const predicted = ({ value, probability }) => `${inWords(value)} (${percent(probability)})`;

async function request(path, body) {
  const options = body === undefined ? {} : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, options);
  } catch {
    throw new Error("The server does not answer, and nothing was written. Start maskgate review again and open the address that it prints.");
  }
  if (answer.status === 401) throw new Error("The server was started again, and nothing was written. Open the address that it has printed.");
  const data = await answer.json();
  if (!answer.ok) throw new Error(data.error);
  return data;
}

function showProgress() {
  const { states, counts } = overview;
  const decided = states.filter(Boolean).length;
  byId("place").textContent = question === null
    ? `${states.length} questions` : `Question ${question.number + 1} of ${states.length}`;
  const parts = Object.entries(WORDS).map(([choice, word]) => [counts[choice] ?? 0, word]);
  byId("counts").textContent = `${decided} decided` + (decided
    ? ": " + parts.filter(([count]) => count).map((part) => part.join(" ")).join(", ") : "");
  byId("progress").max = states.length || 1;
  byId("progress").value = decided;
  byId("tier").textContent = `Tier: ${tier}`;
  byId("file").textContent = overview.file;
}

function showFacts() {
  const shows = (text) => text || "unknown";
  const rows = [["Label", shows(inWords(question.label))]];
  if (question.model) rows.push(["Model", predicted(question.model)]);
  else if (question.predicted) rows.push(["Model", inWords(question.predicted)]);
  if (question.opinion) rows.push(["Opinion", inWords(question.opinion)]);
  if (question.probability !== null) rows.push(["Label is wrong", percent(question.probability)]);
  const { gender, age_band } = question.labels;
  rows.push(["Gender, age", [shows(gender), question.age || inWords(age_band)].filter(Boolean).join(", ")]);
  byId("facts").replaceChildren(...rows.flatMap(([name, text]) => [
    element("dt", {}, name), element("dd", {}, text),
  ]));
}

function showAnswers() {
  const { decision } = question;
  byId("values").replaceChildren(...question.values.map((value, place) => {
    const button = element("button", { "data-key": `${place + 1}` },
      element("kbd", {}, `${place + 1}`), ` ${inWords(value)}`);
    const isChosen = decision !== null && (decision.choice === "change" ? decision.value === value
      : decision.choice === "keep" && question.label === value);
    button.setAttribute("aria-pressed", isChosen);
    if (value === (question.model?.value ?? question.predicted)) button.classList.add("predicted");
    return button;
  }));
  for (const key of ["k", "u", "d"]) {
    const choice = { k: "keep", u: "unsure", d: "drop" }[key];
    document.querySelector(`#main [data-key=${key}]`).setAttribute("aria-pressed", decision?.choice === choice);
  }
  byId("decision").textContent = decision === null ? ""
    : `Decided by ${decision.author}: ${WORDS[decision.choice]}`
      + (decision.choice === "change" ? ` to ${inWords(decision.value)}` : "")
      + ("change drop".includes(decision.choice) ? ` (${decision.tier})` : "");
}

function picture(row, text) {
  return element("img", { src: `/photos/${row}`, alt: text, width: 384, height: 512 });
}

function showPhotos() {
  byId("photos").replaceChildren(...question.photos.map((photo) => {
    const item = element("li", {}, picture(photo.row, photo.name),
      element("p", {}, photo.mask ? inWords(photo.mask) : "mask unknown"));
    if (photo.concerned && question.photo !== null) item.classList.add("concerned");
    if (photo.model && photo.model.value !== photo.mask) {
      item.append(element("p", { class: "differs" }, `model: ${predicted(photo.model)}`));
    }
    return item;
  }));
  byId("alike").hidden = question.neighbours.length === 0;
  byId("neighbours").replaceChildren(...question.neighbours.map((each) => {
    const text = [each.labels.gender, each.age || inWords(each.labels.age_band)].filter(Boolean).join(", ");
    const item = element("li", {}, picture(each.row, each.person), element("p", {}, text));
    if (each.near_duplicate) item.append(element("p", { class: "differs" }, "near-duplicate photo"));
    return item;
  }));
}

async function show(number) {
  if (number === null) {
    question = null;
  } else {
    question = await request(`/questions/${number}`);
    const { attribute, photo, photos, person } = question;
    const name = photos.find((each) => each.row === photo)?.name;
    byId("ask").textContent = `${TITLES[attribute]}${name ? ` in ${name}` : ""}?`;
    byId("person").textContent = person;
    byId("reason").textContent = question.reason;
    byId("note").value = "";
    tier = question.decision?.tier ?? tier;
    showFacts();
    showAnswers();
    showPhotos();
  }
  byId("main").hidden = question === null;
  byId("done").hidden = question !== null;
  showProgress();
  scrollTo(0, 0);
}

// The next question without a decision after this one, else the first one; null if all are decided.
function nextOpen() {
  const { states } = overview;
  const after = states.findIndex((state, number) => !state && number > (question?.number ?? -1));
  const open = after >= 0 ? after : states.findIndex((state) => !state);
  return open >= 0 ? open : null;
}

async function decide(choice, value = "") {
  const { number } = question;
  overview = await request("/decisions", { number, choice, value, tier, note: byId("note").value });
  await show(nextOpen());
}

async function ask(attribute) {
  let row = null;
  if (attribute === "mask") {
    const rows = question.photos.map((photo) => photo.row);
    row = rows[(rows.indexOf(question.photo) + 1) % rows.length];
  }
  const { number } = await request("/questions", { number: question.number, attribute, row });
  overview = await request("/overview");
  await show(number);
}

async function undo() {
  const answer = await request("/undo", {});
  overview = answer.overview;
  if (answer.number !== null) await show(answer.number);
  else byId("fault").textContent = "There is nothing to undo.";
}

async function move(step) {
  const last = overview.states.length - 1;
  const number = question === null ? last : question.number + step;
  if (number >= 0 && number <= last) await show(number);
}

const ATTRIBUTES = { g: "gender", a: "age_band", m: "mask" };
const CHOICES = { k: "keep", u: "unsure", d: "drop" };

// What a key does; null if it does nothing here.
function action(key) {
  if (key === "z" || key === "Backspace") return undo;
  if (key === "ArrowLeft" || key === "p") return () => move(question === null ? 0 : -1);
  if (question === null) return null;
  if (key === "ArrowRight" || key === "n") return () => move(1);
  if (key === "o") return () => show(nextOpen());
  if (key in CHOICES) return () => decide(CHOICES[key]);
  if (key in ATTRIBUTES) return () => ask(ATTRIBUTES[key]);
  const value = /^[1-9]$/.test(key) ? question.values[Number(key) - 1] : undefined;
  if (value !== undefined) return () => decide("change", value);
  if (key === "t") {
    return async () => {
      tier = overview.tiers[(overview.tiers.indexOf(tier) + 1) % overview.tiers.length];
      showProgress();
    };
  }
  if (key === "r") return async () => byId("note").focus();
  return null;
}

// While a key is being answered others do nothing: they would decide a question not yet shown.
async function press(key) {
  const act = action(key);
  if (isBusy || act === null || overview === null) return;
  isBusy = true;
  const place = byId(question === null ? "lost" : "fault");
  byId("fault").textContent = byId("lost").textContent = "";
  try {
    await act();
  } catch (error) {
    place.textContent = error.message;
  } finally {
    isBusy = false;
  }
}

document.addEventListener("keydown", (event) => {
  if (event.repeat || event.ctrlKey || event.altKey || event.metaKey) return;
  if (event.target === byId("note")) {
    if (event.key === "Enter" || event.key === "Escape") byId("note").blur();
    return;
  }
  const key = event.key.length === 1 ? event.key.toLowerCase() : event.key;
  if (action(key) === null) return;
  event.preventDefault();
  press(key);
});
document.addEventListener("click", (event) => {
  const button = event.target.closest("button[data-key]");
  if (button === null) return;
  if (event.detail > 0) button.blur(); // after a click, Enter and the space bar do not repeat it
  press(button.dataset.key);
});

(async () => {
  try {
    overview = await request("/overview");
    tier = overview.tier;
    await show(overview.first);
  } catch (error) {
    byId("lost").textContent = error.message;
  }
})();
