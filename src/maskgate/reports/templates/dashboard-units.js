// ---------------------------------------------------------------- what a row of the table is
// A unit is a row: a group of runs that differ in their seed, or a single run. Of several runs with
// one seed, such as copies of a run, the newest is compared and counts.
const STATES = { finished: "finished", unfinished: "unfinished", smoke: "smoke test", damaged: "damaged" };
const MOST_PICKED = COLOURS.length;

const state = {
  data: null, runs: new Map(), groups: new Map(), groupOf: new Map(), verdicts: new Map(),
  units: [], sort: "score", descending: true, picked: new Map(), opened: new Set(), axes: null,
};
const form = byId("filters");
const filters = form.elements;

const mean = (values) => (values.length ? values.reduce((sum, each) => sum + each, 0) / values.length : null);
const known = (values) => values.filter((value) => value !== null && value !== undefined);
const pairKey = (one, two) => [one, two].sort().join("\n");
const seedsText = (unit) => (unit.compared.length > 1 ? `mean of ${unit.compared.length} seeds` : "");
const isSeed = (setting) => /^(members\..*\.)?seed=/.test(setting);

function scoreOf(runs, group) {
  if (runs.length === 1) return runs[0].score;
  if (group.score) return group.score;
  const value = mean(known(runs.map((run) => run.score)).map((score) => score[0]));
  return value === null ? null : [value, null, null];
}

function unitOf(group, runs, isJoined) {
  const newest = runs[runs.length - 1];
  const newestOfSeeds = runs.filter((run) => group.compared.includes(run.name));
  const compared = runs.length > 1 && newestOfSeeds.length ? newestOfSeeds : runs;
  const differs = isJoined && compared.length > 1 ? runs[0].differs.filter((each) => !isSeed(each)) : runs[0].differs;
  const unit = {
    id: isJoined ? group.id : runs[0].name, name: isJoined ? group.name : runs[0].name,
    group, runs, compared, newest, differs, recipe: newest.recipe, state: newest.state,
    score: scoreOf(compared, group),
    people: newest.people, seconds: mean(known(compared.map((run) => run.seconds))),
    rate: mean(known(compared.map((run) => run.rate))), started: newest.started,
    notes: runs.flatMap((run) => run.notes), fault: runs.map((run) => run.fault).find(Boolean) || "", warnings: runs.flatMap((run) => run.warnings),
  };
  unit.text = [
    unit.name, ...runs.map((run) => [run.name, run.fault, ...run.warnings].join(" ")), unit.recipe,
    STATES[unit.state], ...differs, ...unit.notes.flatMap((note) => [note.author, ...note.parts.flat()]),
  ].join(" ").toLocaleLowerCase();
  return unit;
}

function makeUnits() {
  state.units = filters.joined.checked
    ? state.data.groups.map((group) => unitOf(group, group.runs.map((name) => state.runs.get(name)), true))
    : state.data.runs.map((run) => unitOf(state.groupOf.get(run.name), [run], false));
}

function fits(unit) {
  const words = filters.text.value.toLocaleLowerCase().split(/\s+/).filter(Boolean);
  return (
    words.every((word) => unit.text.includes(word)) &&
    (!filters.recipe.value || unit.recipe === filters.recipe.value) &&
    (!filters.source.value || unit.runs.some((run) => run.source === filters.source.value)) &&
    (!filters.state.value || unit.state === filters.state.value)
  );
}

const COLUMNS = {
  name: { title: "Run", value: (unit) => unit.name.toLocaleLowerCase(), isText: true },
  differs: { title: "Differs", isText: true },
  score: { title: "Score", value: (unit) => (unit.state === "smoke" ? null : unit.score?.[0] ?? null) },
  people: { title: "People", value: (unit) => unit.people || null },
  seconds: { title: "Time", value: (unit) => unit.seconds },
  rate: { title: "Photos/s", value: (unit) => unit.rate },
  started: { title: "Started", value: (unit) => unit.started || null },
  notes: { title: "Notes", value: (unit) => unit.notes.length || null, isLeft: true },
};

// Those that fit the filters, in order; what has no value is last in either direction.
function shownUnits() {
  const { value } = COLUMNS[state.sort];
  const sign = state.descending ? -1 : 1;
  return state.units.filter(fits).sort((one, two) => {
    const [first, second] = [value(one), value(two)];
    if (first === null || second === null) return (first === null) - (second === null);
    return first < second ? -sign : first > second ? sign : 0;
  });
}

const pickedUnits = () => {
  const byUnit = new Map(state.units.map((unit) => [unit.id, unit]));
  return [...state.picked.keys()].map((id) => byUnit.get(id)).filter(Boolean);
};
const colourOf = (unit) => COLOURS[state.picked.get(unit.id)];

function toggle(id) {
  if (state.picked.has(id)) state.picked.delete(id);
  else if (state.picked.size < MOST_PICKED) {
    const used = new Set(state.picked.values());
    state.picked.set(id, COLOURS.findIndex((_, at) => !used.has(at)));
  }
  draw();
}
