"use strict";
// Sends photos to the door one by one and draws its verdicts. Nothing is stored.

const texts = JSON.parse(document.getElementById("texts").textContent);

// A text with its places {name} filled in.
function fill(text, values) {
  return text.replace(/\{(\w+)\}/g, (place, name) => values[name] ?? place);
}

// Shape, colour and text say the same.
const SHAPES = {
  wear: "M4 12l6 6L20 6", incorrect: "M12 3l10 18H2zM12 10v4m0 3v.5",
  not_wear: "M6 6l12 12M18 6L6 18", unsure: "M8 8a4 4 0 1 1 5.5 3.7c-1 .5-1.5 1.2-1.5 2.3m0 4v.5",
};
const DIRECT = ["image/jpeg", "image/png", "image/webp", "image/bmp"];

const byId = (id) => document.getElementById(id);
const waiting = [];
let isJudging = false, photoCount = 0, faceCount = 0, maxBytes = 20e6;

function element(name, attributes = {}, ...children) {
  const node = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
  node.append(...children);
  return node;
}

function icon(kind) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  svg.setAttribute("viewBox", "0 0 24 24");
  svg.setAttribute("aria-hidden", "true");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  path.setAttribute("d", SHAPES[kind]);
  svg.append(path);
  return svg;
}

const valueText = (value) => texts[value] ?? texts.labels[value];
const kindOf = (face) => (face.unsure ? "unsure" : face.mask.value);

// The photo as a bitmap that is upright, and as bytes that the door reads.
async function read(file) {
  const bitmap = await createImageBitmap(file);
  if (DIRECT.includes(file.type) && file.size <= maxBytes) return { bitmap, body: file };
  const canvas = new OffscreenCanvas(bitmap.width, bitmap.height);
  canvas.getContext("2d").drawImage(bitmap, 0, 0);
  return { bitmap, body: await canvas.convertToBlob({ type: "image/jpeg", quality: 0.95 }) };
}

async function judge(body) {
  for (;;) {
    const answer = await fetch("/v1/verdict", {
      method: "POST", body, headers: { "Content-Type": body.type || "application/octet-stream" },
    });
    if (answer.status === 401) location.assign("/pair");
    const { photos, error } = await answer.json();
    if (answer.ok) return photos[0];
    if (answer.status !== 429) throw new Error(texts.errors[error.reason] ?? error.message);
    await new Promise((resolve) => setTimeout(resolve, 1000 * error.retry_after));
  }
}

function draw(bitmap, answer) {
  const scale = 1200 / Math.max(bitmap.width, bitmap.height);  // boxes of small photos stay sharp
  const canvas = element("canvas", { role: "img", "aria-label": answer.faces.map((face) => texts[kindOf(face)]).join(", ") || texts.no_face });
  canvas.width = Math.round(bitmap.width * scale);
  canvas.height = Math.round(bitmap.height * scale);
  const context = canvas.getContext("2d");
  context.drawImage(bitmap, 0, 0, canvas.width, canvas.height);
  const unit = Math.max(canvas.width, canvas.height) / 100;
  const toCanvas = canvas.width / answer.width;
  answer.faces.forEach((face, index) => {
    const [left, top, right, bottom] = face.box.map((edge) => edge * toCanvas);
    const colour = { wear: "#176b3a", incorrect: "#8a4b00", not_wear: "#b3261e", unsure: "#3d4753" }[kindOf(face)];
    for (const [width, style] of [[1.1 * unit, "#ffffff"], [0.6 * unit, colour]]) {
      context.lineWidth = width;
      context.strokeStyle = style;
      context.strokeRect(left, top, right - left, bottom - top);
    }
    if (answer.faces.length > 1) {
      const size = 5 * unit;
      context.fillStyle = colour;
      context.fillRect(left, top, size, size);
      context.fillStyle = "#ffffff";
      context.font = `bold ${0.7 * size}px system-ui, sans-serif`;
      context.textAlign = "center";
      context.textBaseline = "middle";
      context.fillText(String(index + 1), left + size / 2, top + size / 2);
    }
  });
  return canvas;
}

function probabilities(face, name, heading) {
  const rows = Object.entries(face[name].probabilities).flatMap(([value, share]) => {
    const meter = element("meter", { min: 0, max: 1, value: share, "aria-label": valueText(value) });
    return [
      element("dt", {}, valueText(value)), element("dd", {}, meter),
      element("dd", { class: "number" }, `${(100 * share).toFixed(1)} %`),
    ];
  });
  const list = element("dl", { class: "probabilities" }, ...rows);
  return heading ? [element("h2", {}, texts[name]), list] : [list];
}

function facesOf(answer) {
  if (!answer.faces.length) return element("p", { class: "note" }, texts.no_face);
  const list = element("ul", { class: "faces" });
  answer.faces.forEach((face, index) => {
    const kind = kindOf(face);
    const heading = element("p", { class: `verdict ${kind}` }, icon(kind), texts[kind]);
    if (answer.faces.length > 1) heading.append(element("span", { class: "number" }, fill(texts.face, { number: index + 1 })));
    const others = ["gender", "age_band"].filter((name) => face[name]);
    list.append(element("li", {}, heading, ...probabilities(face, "mask", others.length > 0),
      ...others.flatMap((name) => probabilities(face, name, true))));
  });
  return list;
}

async function show(file) {
  const card = element("li", { class: "photo" });
  try {
    const { bitmap, body } = await read(file).catch(() => { throw new Error(texts.errors.unreadable); });
    const answer = await judge(body).catch((error) => {
      throw error instanceof TypeError ? new Error(texts.errors.lost) : error;
    });
    card.append(element("div", { class: "picture" }, draw(bitmap, answer)), facesOf(answer));
    bitmap.close();
    photoCount += 1;
    faceCount += answer.faces.length;
  } catch (error) {
    card.append(element("p", { class: "note" }, element("strong", {}, file.name || ""), element("br"), error.message));
  }
  byId("photos").append(card);
}

async function judgeAll() {
  if (isJudging) return;
  isJudging = true;
  while (waiting.length) {
    byId("status").textContent = fill(texts.judging, { count: waiting.length });
    await show(waiting.shift());
  }
  isJudging = false;
  byId("status").textContent = photoCount ? fill(texts.counts, { photos: photoCount, faces: faceCount }) : "";
  byId("clear").hidden = !byId("photos").children.length;
}

function add(files) {
  waiting.push(...files);
  if (waiting.length) judgeAll();
}

const drop = byId("drop");
addEventListener("dragover", (event) => { event.preventDefault(); drop.classList.add("over"); });
addEventListener("dragleave", (event) => { if (!event.relatedTarget) drop.classList.remove("over"); });
addEventListener("drop", (event) => {
  event.preventDefault();
  drop.classList.remove("over");
  add(event.dataTransfer.files);
});
addEventListener("paste", (event) => add(event.clipboardData.files));
byId("files").addEventListener("change", (event) => { add([...event.target.files]); event.target.value = ""; });
byId("clear").addEventListener("click", () => {
  byId("photos").replaceChildren();
  photoCount = faceCount = 0;
  byId("status").textContent = "";
  byId("clear").hidden = true;
});

fetch("/v1/settings").then((answer) => answer.json()).then((settings) => {
  maxBytes = settings.max_bytes;
  byId("limits").textContent = fill(texts.limits, { megabytes: Math.floor(maxBytes / 1e6) });
  byId("model").textContent = fill(texts.model, settings);
  if (settings.purpose) {
    byId("purpose").textContent = fill(texts.purpose, settings);
    byId("purpose").hidden = false;
  }
}).catch(() => { byId("status").textContent = texts.errors.lost; });
