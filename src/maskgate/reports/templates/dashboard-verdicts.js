// ---------------------------------------------------------------- verdicts of those picked
const asked = new Map(); // of pairs that the server was asked about, its fault or "" while it works

function unavailable(one, two) {
  if (one.group === two.group) {
    const same = one.newest.seed === two.newest.seed ? "have the same recipe and seed" : "differ only in their seed";
    return `${one.name} and ${two.name} ${same}, so there is nothing to compare.`;
  }
  for (const unit of [one, two]) {
    if (unit.group.set === null) return `${unit.name} is not compared: ${why(unit.newest)}.`;
  }
  if (one.group.set !== two.group.set) {
    const [first, other] = one.group.set < two.group.set ? [one, two] : [two, one];
    const reason = state.data.reasons.find(([a, b]) => a === first.group.set && b === other.group.set)?.[2]
      ?? "{other}: validated on other photos, people, folds or labels than {first}";
    return `Not compared. ${reason.replaceAll("{first}", () => first.name).replaceAll("{other}", () => other.name)}.`;
  }
  return "";
}

function why(run) {
  if (run.state !== "finished") return { unfinished: "it is unfinished", smoke: "the scores of a smoke test mean nothing", damaged: "it is damaged" }[run.state];
  if (run.fault) return "it is damaged";
  return "it has no score on validation photos";
}

function forest(verdict) {
  const rows = verdict.differences;
  const ends = rows.flatMap(([, [, low, high]]) => [low, high]);
  const marks = ticks(Math.min(-0.01, ...ends), Math.max(0.01, ...ends), 4);
  const [width, left, right, row] = [460, 12, 448, 40];
  const x = (value) => left + ((value - marks[0]) / (marks[marks.length - 1] - marks[0])) * (right - left);
  const bottom = 12 + row * rows.length;
  const parts = marks.flatMap((mark, at) => [
    shape("path", { class: "grid", d: `M${x(mark)} 12V${bottom}` }),
    shape("text", { x: x(mark), y: bottom + 14, "text-anchor": at === 0 ? "start" : at === marks.length - 1 ? "end" : "middle" },
      Math.abs(mark) < 1e-9 ? "0" : `${mark > 0 ? "+" : "−"}${plain(Math.abs(mark))}`),
  ]);
  parts.push(shape("path", { class: "mark", d: `M${x(0)} 12V${bottom}` }));
  rows.forEach(([name, [value, low, high]], at) => {
    const colour = low > 0 ? COLOURS[2] : high < 0 ? COLOURS[3] : "#6b7280";
    const y = 12 + row * at + 28;
    parts.push(shape("text", { class: "name", x: left, y: y - 11 }, `${name} ${signed(value)} [${signed(low)}, ${signed(high)}]`),
      shape("path", { d: `M${x(low)} ${y}H${x(high)}`, stroke: colour, "stroke-width": 3 }),
      shape("circle", { cx: x(value), cy: y, r: 5, fill: colour }));
  });
  const title = "Difference in macro F1";
  return element("figure", { class: "forest" }, element("figcaption", {}, title),
    shape("svg", { viewBox: `0 0 ${width} ${bottom + 20}`, role: "img", "aria-label": title }, ...parts));
}
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(4)}`;

function command(one, two) {
  const paths = [one, two].flatMap((unit) => unit.compared.map((run) => run.path));
  const quoted = paths.map((path) => (/^[\w./-]+$/.test(path) ? path : `'${path.replaceAll("'", "'\\''")}'`));
  return `maskgate compare ${quoted.join(" ")}`;
}

async function ask(one, two) {
  const key = pairKey(one.group.id, two.group.id);
  asked.set(key, "");
  try {
    const verdict = await request("/verdicts", { first: one.group.id, second: two.group.id });
    state.data.verdicts.push(verdict);
    state.verdicts.set(key, verdict);
    asked.delete(key);
  } catch (error) {
    asked.set(key, error.message);
  }
  drawVerdicts();
}

function verdictLine(one, two) {
  const reason = unavailable(one, two);
  if (reason) return element("p", { class: "verdict" }, reason);
  const key = pairKey(one.group.id, two.group.id);
  const verdict = state.verdicts.get(key);
  if (verdict) {
    return element("p", { class: "verdict" }, element("span", { class: `tag ${verdict.verdict}` }, verdict.verdict), verdict.sentence);
  }
  if (isLive) {
    if (!asked.has(key)) ask(one, two);
    return element("p", { class: "verdict" }, asked.get(key) || `Comparing ${one.name} and ${two.name} …`);
  }
  return element("p", { class: "verdict" }, `${one.name} and ${two.name} were not compared when this page was written: `,
    element("code", {}, command(one, two)), " compares them.");
}

function drawPicked(units) {
  const parts = units.map((unit) => {
    const button = element("button", { type: "button", class: "chip", "data-focus": `drop ${unit.id}`, "aria-label": `Leave out ${unit.name}` },
      element("i", {}), unit.name, element("span", { "aria-hidden": "true" }, " ×"));
    button.firstChild.style.background = colourOf(unit);
    button.addEventListener("click", () => toggle(unit.id));
    return button;
  });
  if (units.length > 1) {
    const clear = element("button", { type: "button", class: "plain", "data-focus": "clear" }, "Clear");
    clear.addEventListener("click", () => { state.picked.clear(); draw(); });
    parts.push(clear);
  }
  byId("picked").replaceChildren(...parts);
}

function drawVerdicts() {
  const units = pickedUnits();
  drawPicked(units);
  const [first, ...others] = units;
  const parts = [];
  if (!others.length) parts.push(element("p", { class: "soft" }, "Pick two rows of the table to compare them."));
  parts.push(...others.map((unit) => verdictLine(first, unit)));
  const verdicts = others.map((unit) => state.verdicts.get(pairKey(first.group.id, unit.group.id)))
    .filter((verdict, at) => verdict && !unavailable(first, others[at]));
  const notes = new Set(verdicts.flatMap((verdict) => verdict.notes));
  if (verdicts.length && others.length > 1) {
    notes.add("Each verdict compares one pair only. Among many pairs that do not differ, one in twenty is called better or worse by chance; give all runs to maskgate compare to correct for that.");
  }
  parts.push(...[...notes].map((note) => element("p", { class: "soft" }, note)));
  if (verdicts.length === 1 && others.length === 1) parts.push(forest(verdicts[0]));
  byId("verdicts").replaceChildren(...parts);
}
