"use strict";
// Sends photos to the door one by one and draws its verdicts. Nothing is stored.

const TEXTS = {
  en: {
    drop: "Drop photos here, or paste one",
    wear: "Mask worn", incorrect: "Mask worn incorrectly", not_wear: "No mask", unsure: "Not sure",
    mask: "Mask", gender: "Gender", age_band: "Age",
    male: "male", female: "female", "<30": "under 30", "30-59": "30 to 59", ">=60": "60 or older",
    noFace: "No face found in this photo.", judging: (left) => `Judging, ${left} left …`,
    done: (faces, photos) => `${faces} face${faces === 1 ? "" : "s"} in ${photos} photo${photos === 1 ? "" : "s"}`,
    face: (number) => `face ${number}`, lost: "The door does not answer.",
    limits: (megabytes) => `JPEG, PNG, WebP or BMP, up to ${megabytes} MB each`,
    purpose: (purpose) => `Gender and age are judged too. Purpose: ${purpose}`,
    model: (name, version) => `Model: ${name}, maskgate ${version}`,
    unreadable: "This browser cannot read the photo.",
  },
  ko: {
    title: "마스크 확인", lead: "마스크를 바르게 썼는지, 잘못 썼는지, 쓰지 않았는지 얼굴마다 알려 드립니다. 사진을 여기에 놓으세요.",
    drop: "사진을 여기에 놓거나 붙여 넣으세요", choose: "사진 고르기", clear: "모두 지우기",
    kept: "사진은 이 문의 서버로만 보내져 메모리에서 판정되며 저장되지 않습니다.",
    programs: "프로그램용: OpenAPI", metrics: "지표", sign: "출입구 안내문",
    wear: "마스크 착용", incorrect: "마스크를 잘못 씀", not_wear: "마스크 미착용", unsure: "확실하지 않음",
    mask: "마스크", gender: "성별", age_band: "나이",
    male: "남성", female: "여성", "<30": "30세 미만", "30-59": "30~59세", ">=60": "60세 이상",
    noFace: "이 사진에서 얼굴을 찾지 못했습니다.", judging: (left) => `판정 중, ${left}장 남음 …`,
    done: (faces, photos) => `사진 ${photos}장, 얼굴 ${faces}개`,
    face: (number) => `얼굴 ${number}`, lost: "서버가 응답하지 않습니다.",
    limits: (megabytes) => `JPEG, PNG, WebP, BMP, 한 장에 ${megabytes} MB까지`,
    purpose: (purpose) => `성별과 나이도 판정합니다. 목적: ${purpose}`,
    model: (name, version) => `모델: ${name}, maskgate ${version}`,
    unreadable: "이 브라우저에서 읽을 수 없는 사진입니다.",
  },
};
const language = navigator.language.startsWith("ko") ? "ko" : "en";
const texts = { ...TEXTS.en, ...TEXTS[language] };
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
    if (answer.status !== 429) throw new Error(error.message);
    await new Promise((resolve) => setTimeout(resolve, 1000 * error.retry_after));
  }
}

function draw(bitmap, answer) {
  const scale = 1200 / Math.max(bitmap.width, bitmap.height);  // boxes of small photos stay sharp
  const canvas = element("canvas", { role: "img", "aria-label": answer.faces.map((face) => texts[kindOf(face)]).join(", ") || texts.noFace });
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
    const meter = element("meter", { min: 0, max: 1, value: share, "aria-label": texts[value] });
    return [
      element("dt", {}, texts[value]), element("dd", {}, meter),
      element("dd", { class: "number" }, `${(100 * share).toFixed(1)} %`),
    ];
  });
  return element("dl", { class: "probabilities" }, ...(heading ? [element("h3", {}, texts[name])] : []), ...rows);
}

function facesOf(answer) {
  if (!answer.faces.length) return element("p", { class: "note" }, texts.noFace);
  const list = element("ul", { class: "faces" });
  answer.faces.forEach((face, index) => {
    const kind = kindOf(face);
    const heading = element("p", { class: `verdict ${kind}` }, icon(kind), texts[kind]);
    if (answer.faces.length > 1) heading.append(element("span", { class: "number" }, texts.face(index + 1)));
    const others = ["gender", "age_band"].filter((name) => face[name]);
    list.append(element("li", {}, heading, probabilities(face, "mask", others.length > 0),
      ...others.map((name) => probabilities(face, name, true))));
  });
  return list;
}

async function show(file) {
  const card = element("li", { class: "photo" });
  try {
    const { bitmap, body } = await read(file).catch(() => { throw new Error(texts.unreadable); });
    const answer = await judge(body).catch((error) => {
      throw error instanceof TypeError ? new Error(texts.lost) : error;
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
    byId("status").textContent = texts.judging(waiting.length);
    await show(waiting.shift());
  }
  isJudging = false;
  byId("status").textContent = photoCount ? texts.done(faceCount, photoCount) : "";
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

document.documentElement.lang = language;
for (const node of document.querySelectorAll("[data-text]")) {
  const text = texts[node.dataset.text];
  if (text) node.textContent = text;
}
if (texts.title) document.title = `${texts.title} – maskgate`;
fetch("/v1/settings").then((answer) => answer.json()).then((settings) => {
  maxBytes = settings.max_bytes;
  byId("limits").textContent = texts.limits(Math.floor(maxBytes / 1e6));
  byId("model").textContent = texts.model(settings.model, settings.version);
  if (settings.purpose) {
    byId("purpose").textContent = texts.purpose(settings.purpose);
    byId("purpose").hidden = false;
  }
}).catch(() => { byId("status").textContent = texts.lost; });
