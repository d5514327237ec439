// ---------------------------------------------------------------- parallel coordinates
const MOST_AXES = 8; // shown at first
const AXES = { column: 140, height: 300, top: 56, bottom: 24 };

// Where a value is on its axis, from 0 at the bottom to 1, and the labels of the axis.
function scale(values) {
  const numbers = values.filter((value) => typeof value === "number");
  const distinct = [...new Set(values)];
  if (numbers.length !== values.length || distinct.length < 3) {
    const order = numbers.length === values.length ? distinct.sort((a, b) => a - b)
      : distinct.sort((a, b) => `${a ?? ""}`.localeCompare(`${b ?? ""}`));
    const place = (value) => (order.length === 1 ? 0.5 : order.indexOf(value) / (order.length - 1));
    return { place, labels: order.map((value) => [value === null ? "–" : `${value}`, place(value)]) };
  }
  const [low, high] = [Math.min(...numbers), Math.max(...numbers)];
  const isLog = low > 0 && high / low >= 20;
  const at = isLog ? Math.log : (value) => value;
  const place = (value) => (at(value) - at(low)) / (at(high) - at(low));
  const marks = [];
  for (const value of distinct.sort((a, b) => a - b)) {
    if (!marks.length || place(value) - place(marks[marks.length - 1]) > 0.07) marks.push(value);
  }
  return { place, labels: marks.map((value) => [plain(value), place(value)]) };
}

const mixed = (share) => `hsl(${Math.round(275 - 135 * share)} 65% ${Math.round(48 - 10 * share)}%)`;

function parallelChart(units, keys) {
  const scores = units.map((unit) => unit.score[0]);
  const [low, high] = [Math.min(...scores), Math.max(...scores)];
  const share = (unit) => (high > low ? (unit.score[0] - low) / (high - low) : 0.5);
  const axes = [
    ...keys.map((key) => ({ title: key, valueOf: (unit) => unit.group.settings[key] ?? null })),
    { title: "score", valueOf: (unit) => unit.score[0] },
  ].map((axis) => ({ ...axis, ...scale(units.map(axis.valueOf)) }));
  axes.at(-1).labels = ticks(low, high, 4).filter((mark) => mark >= low && mark <= high && high > low)
    .map((mark) => [mark.toFixed(3), (mark - low) / (high - low)]);
  axes.at(-1).place = (value) => (high > low ? (value - low) / (high - low) : 0.5);
  const x = (at) => 70 + AXES.column * at;
  const y = (place) => AXES.top + (1 - place) * (AXES.height - AXES.top - AXES.bottom);
  const width = x(axes.length - 1) + 90;
  const parts = axes.map((axis, at) => {
    const title = shape("text", { class: "axis", x: x(at), y: at % 2 ? 34 : 18, "text-anchor": "middle" }, short(axis.title, 34),
      shape("title", {}, axis.title));
    return shape("g", {}, title, shape("path", { class: "axis", d: `M${x(at)} ${AXES.top - 6}V${AXES.height - AXES.bottom + 6}` }));
  });
  const ordered = [...units].sort((one, two) => state.picked.has(one.id) - state.picked.has(two.id) || one.score[0] - two.score[0]);
  for (const unit of ordered) {
    const isPicked = state.picked.has(unit.id);
    const d = axes.map((axis, at) => `${at ? "L" : "M"}${x(at)} ${y(axis.place(axis.valueOf(unit))).toFixed(1)}`).join("");
    const line = shape("path", { class: "unit", d, stroke: mixed(share(unit)), "stroke-width": isPicked ? 4 : 1.75, "stroke-opacity": isPicked ? 1 : 0.75 });
    const area = shape("path", { class: "target", d });
    area.addEventListener("pointerenter", (event) => {
      line.classList.add("current");
      showBubble([`${unit.name}: ${digits(unit.score[0])}`, ...keys.map((key) => `${key}=${unit.group.settings[key] ?? "–"}`)].join("\n"), event.clientX, event.clientY);
    });
    area.addEventListener("pointerleave", () => { line.classList.remove("current"); hideBubble(); });
    area.addEventListener("click", () => { hideBubble(); toggle(unit.id); });
    parts.push(line, area);
  }
  axes.forEach((axis, at) => parts.push(...axis.labels.map(([text, place]) =>
    shape("text", { class: "value", x: x(at) + 7, y: y(place) + 4 }, short(text, 18), shape("title", {}, text)))));
  const summary = `${counted(units.length, "row")} by ${keys.join(", ")}, and score from ${digits(low)} to ${digits(high)}; the table has the same values`;
  const drawing = shape("svg", { class: "parallel", viewBox: `0 0 ${width} ${AXES.height}`, role: "img", "aria-label": summary }, ...parts);
  drawing.style.width = `${width}px`;
  return element("div", { class: "scroll", tabindex: 0, role: "group", "aria-label": "Settings and score of each row" }, drawing);
}

function axisChoices(keys, chosen) {
  const boxes = keys.map((key) => {
    const box = element("input", { type: "checkbox", "data-focus": `axis ${key}` });
    box.checked = chosen.includes(key);
    box.addEventListener("change", () => {
      state.axes = keys.filter((each) => (each === key ? box.checked : chosen.includes(each)));
      keepingFocus(drawParallel);
    });
    return element("label", { class: "check" }, box, " ", key);
  });
  const details = element("details", { id: "axes" }, element("summary", {}, `Settings shown: ${chosen.length} of ${keys.length}`),
    element("div", { class: "choices" }, ...boxes));
  details.open = byId("axes")?.open ?? false;
  return details;
}

function drawParallel() {
  const units = shownUnits().filter((unit) => unit.score && unit.group.settings);
  const keys = state.data.keys.filter((key) => new Set(units.map((unit) => unit.group.settings[key] ?? null)).size > 1);
  if (units.length < 2 || !keys.length) {
    byId("parallel").replaceChildren(element("p", { class: "soft" }, "Shows the settings in which the rows of the table differ, if two or more have a score."));
    return;
  }
  const chosen = state.axes === null ? keys.slice(0, MOST_AXES) : keys.filter((key) => state.axes.includes(key));
  const notes = ["Each line is a row of the table with a score. Purple: the lowest score; green: the highest; thick: picked. A click picks a line."];
  if (new Set(units.map((unit) => unit.group.set)).size > 1) notes.push("Not all are scored on the same people, folds and labels: filter them before you compare scores.");
  byId("parallel").replaceChildren(parallelChart(units, chosen), element("p", { class: "soft after" }, notes.join(" ")), axisChoices(keys, chosen));
}
