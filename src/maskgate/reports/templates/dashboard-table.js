// ---------------------------------------------------------------- the table of runs
function options(select, pairs) {
  const { value } = select;
  select.replaceChildren(...pairs.map(([each, title]) => new Option(title, each)));
  if (pairs.some(([each]) => each === value)) select.value = value;
}

function offerFilters() {
  const recipes = [...new Set(state.data.runs.map((run) => run.recipe).filter(Boolean))].sort();
  const states = [...new Set(state.data.runs.map((run) => run.state))];
  options(filters.recipe, [["", "any"], ...recipes.map((name) => [name, name])]);
  options(filters.source, [["", "any"], ...state.data.sources.map((name) => [name, name])]);
  options(filters.state, [["", "any"], ...Object.entries(STATES).filter(([name]) => states.includes(name))]);
  byId("by-source").hidden = state.data.sources.length < 2;
  options(filters.sort, Object.entries(COLUMNS).filter(([, each]) => each.value).map(([key, each]) => [key, each.title]));
  filters.sort.value = state.sort;
}

function sortBy(key) {
  state.descending = state.sort === key ? !state.descending : !COLUMNS[key].isText;
  state.sort = key;
  filters.sort.value = key;
  draw();
}

function headings() {
  const cells = Object.entries(COLUMNS).map(([key, { title, value, isText, isLeft }]) => {
    const attributes = { scope: "col", class: isText || isLeft ? "left" : null };
    if (!value) return element("th", attributes, title);
    const isSorted = state.sort === key;
    const button = element("button", { type: "button", class: "plain", "data-focus": `sort ${key}` },
      title, element("span", { "aria-hidden": "true" }, isSorted ? (state.descending ? " ▼" : " ▲") : ""));
    button.addEventListener("click", () => sortBy(key));
    return element("th", { ...attributes, "aria-sort": isSorted ? (state.descending ? "descending" : "ascending") : "none" }, button);
  });
  return [element("td", { class: "pick" }), ...cells];
}

function interval([value, low, high], [least, most]) {
  const x = (each) => Math.max(0, Math.min(100, 4 + (92 * (each - least)) / (most - least || 1))).toFixed(1);
  return shape("svg", { class: "interval", viewBox: "0 0 100 10", preserveAspectRatio: "none", "aria-hidden": "true" },
    shape("path", { class: "track", d: "M0 5H100" }),
    low === null ? "" : shape("path", { class: "range", d: `M${x(low)} 5H${x(high)}` }),
    shape("path", { class: "middle", d: `M${x(value)} 1V9` }));
}

function placeOf({ folds, trained, epochs, epoch }) {
  return trained < folds ? `fold ${trained + 1} of ${folds}, epoch ${epoch} of ${epochs}` : "folds trained";
}

const shareOf = ({ folds, trained, epochs, epoch }) => (trained * epochs + Math.min(epoch, epochs)) / Math.max(1, folds * epochs);

function progressOf(run) {
  const { members, updated } = run.progress;
  const begun = members?.filter((each) => each.progress) ?? [];
  const done = members?.filter((each) => each.finished).length;
  const share = members ? (done + begun.reduce((sum, each) => sum + shareOf(each.progress), 0)) / Math.max(1, members.length) : shareOf(run.progress);
  const lines = members ? [`${done} of ${counted(members.length, "member")} trained`, ...begun.map((each) => `${each.name}: ${placeOf(each.progress)}`)] : [placeOf(run.progress)];
  return [
    element("progress", { max: 1, value: share, "aria-label": `Progress of ${run.name}` }),
    ...[...lines, `last written ${dateText(updated)}`].map((line) => element("small", {}, line)),
  ];
}

function scoreCell(unit, range) {
  const run = unit.newest;
  if (unit.score) {
    const more = [run.score_of, run.unvalidated_epochs ? `before ${counted(run.unvalidated_epochs, "epoch")} unvalidated` : "", seedsText(unit)].filter(Boolean);
    return [scoreText(unit.score), interval(unit.score, range), more.length ? element("small", {}, more.join(", ")) : ""];
  }
  if (run.progress) return progressOf(run);
  if (run.state === "damaged") return ["–"];
  return [run.validated === false ? "not validated" : "–"];
}

function tags(unit) {
  const { newest } = unit;
  const parts = [];
  if (newest.state !== "finished") parts.push(element("span", { class: `tag ${newest.state}` }, STATES[newest.state]));
  if (newest.system) parts.push(element("span", { class: "tag" }, "system"));
  if (unit.warnings.length) parts.push(element("span", { class: "tag warned" }, counted(unit.warnings.length, "warning")));
  return parts;
}

function nameCell(unit) {
  const open = element("button", { type: "button", class: "name", "data-focus": `open ${unit.id}`, "aria-haspopup": "dialog" }, unit.name);
  open.addEventListener("click", () => showDetails(unit.id));
  const parts = [open, element("small", {}, unit.recipe), ...tags(unit)];
  if (unit.runs.length > 1) {
    const isOpen = state.opened.has(unit.id);
    const copies = unit.runs.length > unit.compared.length ? `, ${unit.runs.length} runs` : "";
    const button = element("button", { type: "button", class: "plain seeds", "aria-expanded": `${isOpen}`, "data-focus": `seeds ${unit.id}` },
      `${isOpen ? "▾" : "▸"} ${counted(unit.compared.length, "seed")}${copies}`);
    button.addEventListener("click", () => {
      if (!state.opened.delete(unit.id)) state.opened.add(unit.id);
      keepingFocus(drawTable);
    });
    parts.push(button);
  }
  if (unit.fault) parts.push(element("small", { class: "fault" }, short(unit.fault, 200)));
  return parts;
}

function notesCell(unit) {
  if (!unit.notes.length) return "–";
  const last = unit.notes[unit.notes.length - 1];
  return element("span", {}, short(last.parts.map(([, text]) => text).join(" | "), 80),
    unit.notes.length > 1 ? element("small", {}, counted(unit.notes.length, "note")) : "");
}

function rowOf(unit, range) {
  const box = element("input", { type: "checkbox", "aria-label": `Compare ${unit.name}`, "data-focus": `pick ${unit.id}` });
  box.checked = state.picked.has(unit.id);
  box.disabled = !box.checked && state.picked.size >= MOST_PICKED;
  box.addEventListener("change", () => toggle(unit.id));
  if (box.checked) box.style.accentColor = colourOf(unit);
  const cell = (key, content, attributes = {}) => cellOf(COLUMNS[key].title, [content].flat(), attributes);
  return element("tr", { class: box.checked ? "chosen" : null },
    element("td", { class: "pick" }, box),
    element("th", { scope: "row" }, ...nameCell(unit)),
    cell("differs", unit.differs.join(", ") || "–", { class: "left differs" }),
    cell("score", scoreCell(unit, range), { class: "score" }),
    cell("people", unit.people ? number.format(unit.people) : "–"),
    cell("seconds", duration(unit.seconds)),
    cell("rate", unit.rate === null ? "–" : number.format(Math.round(unit.rate))),
    cell("started", dateText(unit.started) || "–"),
    cell("notes", notesCell(unit), { class: "left notes" }));
}

// A narrow screen leaves out cells without a value.
function cellOf(title, content, attributes = {}) {
  const isEmpty = content.length === 1 && content[0] === "–";
  const classes = [attributes.class, isEmpty ? "none" : ""].filter(Boolean).join(" ");
  return element("td", { "data-of": title, ...attributes, class: classes || null }, ...content);
}

function seedRow(unit, run, range) {
  const isCompared = unit.compared.includes(run);
  const cell = (title, ...content) => cellOf(title, content);
  return element("tr", { class: "seed" },
    element("td", { class: "pick" }), element("th", { scope: "row" }, run.name, element("small", {}, `seed ${run.seed}${isCompared ? "" : ", not compared"}`)),
    element("td", { class: "left differs" }),
    element("td", { class: "score", "data-of": "Score" }, ...(run.score ? [scoreText(run.score), interval(run.score, range)] : ["–"])),
    cell("People", run.people ? number.format(run.people) : "–"), cell("Time", duration(run.seconds)),
    cell("Photos/s", run.rate === null ? "–" : number.format(Math.round(run.rate))), cell("Started", dateText(run.started)),
    element("td", { class: "left notes" }));
}

function drawTable() {
  const units = shownUnits();
  const full = units.filter((unit) => unit.state === "finished"); // a smoke test has wide intervals
  const ends = known((full.length ? full : units).flatMap((unit) => known([unit.score, ...unit.runs.map((run) => run.score)])).flat());
  const range = ends.length ? [Math.min(...ends), Math.max(...ends)] : [0, 1];
  byId("columns").replaceChildren(...headings());
  byId("rows").replaceChildren(...units.flatMap((unit) => [
    rowOf(unit, range),
    ...(state.opened.has(unit.id) && unit.runs.length > 1 ? unit.runs.map((run) => seedRow(unit, run, range)) : []),
  ]));
  const all = state.units.length, runs = units.reduce((sum, unit) => sum + unit.runs.length, 0);
  filters.count.value = `Shows ${number.format(units.length)} of ${counted(all, "row")}, ${counted(runs, "run")}.`
    + (state.picked.size >= MOST_PICKED ? ` At most ${MOST_PICKED} can be compared at once.` : "");
}
