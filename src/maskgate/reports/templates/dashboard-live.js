// ---------------------------------------------------------------- the data, and what is live
const embedded = byId("data");
const isLive = embedded === null;
const EVERY = 3000; // milliseconds between two looks at runs that are being trained
let tag = "";

async function request(path, body) {
  const words = body === undefined ? { headers: tag ? { "If-None-Match": tag } : {} } : {
    method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body),
  };
  let answer;
  try {
    answer = await fetch(path, words);
  } catch {
    throw new Error("The server does not answer. Start maskgate dashboard --serve again and open the address that it prints.");
  }
  if (answer.status === 304) return null;
  if (answer.status === 401) throw new Error("The server was started again. Open the address that it has printed.");
  const content = await answer.json();
  if (!answer.ok) throw new Error(content.error);
  tag = body === undefined ? answer.headers.get("ETag") : tag;
  return content;
}

function take(data) {
  const isFirst = state.data === null;
  state.data = data;
  state.runs = new Map(data.runs.map((run) => [run.name, run]));
  state.groupOf = new Map(data.groups.flatMap((group) => group.runs.map((name) => [name, group])));
  state.verdicts = new Map(data.verdicts.map((verdict) => [pairKey(verdict.reference, verdict.group), verdict]));
  offerFilters();
  makeUnits();
  if (isFirst) { // the two best that can be compared are a good start
    const ranked = shownUnits().filter((unit) => unit.group.set !== null);
    const partner = (unit) => ranked.find((other) => other !== unit && other.group.set === unit.group.set);
    const best = ranked.find(partner) ?? ranked[0];
    const next = best && partner(best);
    for (const unit of [best, next].filter(Boolean)) state.picked.set(unit.id, state.picked.size);
  }
  draw();
}

function draw() {
  keepingFocus(() => {
    const training = state.data.runs.filter((run) => run.state === "unfinished").length;
    const parts = [counted(state.data.runs.length, "run"), training ? `${training} unfinished` : "",
      state.data.sources.length ? `folders ${state.data.sources.join(", ")}` : "",
      `${isLive ? "live, changed" : "written"} ${dateText(state.data.written)} UTC`];
    byId("summary").textContent = parts.filter(Boolean).join(" · ");
    drawTable();
    drawVerdicts();
    drawCurves();
    drawParallel();
  });
}

async function refresh() {
  const data = await request("/data");
  byId("lost").textContent = "";
  if (data !== null) {
    asked.clear();
    take(data);
  }
}

async function follow() {
  try {
    if (!document.hidden) await refresh();
  } catch (error) {
    byId("lost").textContent = error.message;
  }
  setTimeout(follow, EVERY);
}

form.addEventListener("input", (event) => {
  if (event.target === filters.joined) changeJoin();
  if (event.target === filters.sort) sortBy(filters.sort.value);
  else draw();
});
form.addEventListener("submit", (event) => event.preventDefault());
form.addEventListener("reset", () => setTimeout(() => { filters.sort.value = state.sort; changeJoin(); draw(); }));

// Picked groups stay picked as their first run, and runs as their group.
function changeJoin() {
  const before = [...state.picked].map(([id, colour]) => [state.units.find((unit) => unit.id === id), colour]);
  makeUnits();
  state.picked.clear();
  for (const [unit, colour] of before) {
    const id = unit && (filters.joined.checked ? unit.group.id : unit.runs[0].name);
    if (id && !state.picked.has(id)) state.picked.set(id, colour);
  }
}

if (isLive) follow();
else take(JSON.parse(embedded.textContent));
