// ---------------------------------------------------------------- elements and formats
const COLOURS = ["#2563eb", "#d97706", "#059669", "#dc2626", "#7c3aed", "#0891b2", "#db2777", "#4d7c0f"];
const SVG = "http://www.w3.org/2000/svg";
const byId = (id) => document.getElementById(id);
const number = new Intl.NumberFormat("en");

function filled(node, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) node.setAttribute(name, value);
  }
  node.append(...children.filter((child) => child !== null && child !== ""));
  return node;
}
const element = (name, attributes = {}, ...children) =>
  filled(document.createElement(name), attributes, children);
const shape = (name, attributes = {}, ...children) =>
  filled(document.createElementNS(SVG, name), attributes, children);

function duration(seconds) {
  if (seconds === null) return "–";
  if (seconds < 99.5) return `${Math.round(seconds)} s`;
  if (seconds < 99.5 * 60) return `${Math.round(seconds / 60)} min`;
  const [large, name, small, smallName] = seconds >= 86400 ? [86400, "d", 3600, "h"] : [3600, "h", 60, "min"];
  const count = Math.floor(Math.round(seconds / small) / (large / small));
  const rest = Math.round(seconds / small) % (large / small);
  return `${count} ${name}${rest ? ` ${rest} ${smallName}` : ""}`;
}
const digits = (value) => value.toFixed(4);
const scoreText = ([value, low, high]) =>
  low === null ? digits(value) : `${digits(value)} [${digits(low)}, ${digits(high)}]`;
const dateText = (time) => time.slice(0, 16).replace("T", " ");
const counted = (count, noun) => `${number.format(count)} ${noun}${count === 1 ? "" : "s"}`;
const short = (text, most) => (text.length > most ? `${text.slice(0, most - 1)}…` : text);

// Round values that cover low…high.
function ticks(low, high, about = 5) {
  const rough = (high - low || 1e-9) / about;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = [1, 2, 5, 10].map((nice) => nice * power).find((each) => each >= rough * 0.999);
  const first = Math.floor(low / step + 1e-9), last = Math.ceil(high / step - 1e-9);
  return Array.from({ length: last - first + 1 }, (_, at) => (first + at) * step);
}
const plain = (value) => `${Number(value.toPrecision(3))}`;

const bubble = byId("bubble");
function showBubble(text, x, y) {
  bubble.textContent = text;
  bubble.hidden = false;
  const left = Math.max(8, Math.min(x + 14, innerWidth - bubble.offsetWidth - 8));
  const top = y + 14 + bubble.offsetHeight > innerHeight ? y - bubble.offsetHeight - 10 : y + 14;
  bubble.style.left = `${left}px`;
  bubble.style.top = `${Math.max(8, top)}px`;
}
const hideBubble = () => { bubble.hidden = true; };
addEventListener("scroll", hideBubble, { passive: true });

// Draws again without losing the place of the keyboard.
function keepingFocus(draw) {
  const key = document.activeElement?.dataset?.focus;
  draw();
  if (key) document.querySelector(`[data-focus="${CSS.escape(key)}"]`)?.focus({ preventScroll: true });
}
