// ---------------------------------------------------------------- a row's details, and its notes
const dialog = byId("details");
let shownId = null;

function fact(title, ...content) {
  return content.flat().some((part) => part !== "" && part !== null) ? [element("dt", {}, title), element("dd", {}, ...content.flat())] : [];
}

function reportLink(run) {
  return run.report ? element("a", { href: run.report, target: isLive ? "_blank" : null, rel: isLive ? "noopener" : null }, "report") : "";
}

function noteParts(note, name) {
  return element("article", { class: "note" },
    element("p", { class: "soft" }, [note.date, note.author, name].filter(Boolean).join(", ")),
    ...note.parts.map(([title, text]) => element("p", {}, title ? element("strong", {}, `${title[0].toUpperCase()}${title.slice(1)}: `) : "", text)));
}

function noteForm(unit) {
  const run = element("select", { name: "run" }, ...unit.runs.map((each) => element("option", { value: each.name }, each.name)));
  const text = element("textarea", { name: "text", rows: 3, maxlength: 2000, required: true, placeholder: "hypothesis | result | cause" });
  const fault = element("p", { class: "fault", role: "alert" });
  const noteFields = element("form", { class: "noting" },
    unit.runs.length > 1 ? element("label", {}, "Run ", run) : "",
    element("label", {}, `New note by ${state.data.author}`, text), element("button", {}, "Save note"), fault);
  noteFields.addEventListener("submit", async (event) => {
    event.preventDefault();
    const button = noteFields.querySelector("button");
    button.disabled = true;
    try {
      await request("/notes", { run: unit.runs.length > 1 ? run.value : unit.runs[0].name, text: text.value });
      text.value = "";
      await refresh();
      if (shownId === unit.id) fillDetails();
    } catch (error) {
      fault.textContent = error.message;
    }
    button.disabled = false;
  });
  return noteFields;
}

function fillDetails() {
  const unit = state.units.find((each) => each.id === shownId);
  if (!unit) return dialog.close();
  const [run] = unit.runs;
  const close = element("button", { type: "button", class: "plain close", "aria-label": "Close" }, "×");
  close.addEventListener("click", () => dialog.close());
  const set = unit.group.set === null ? null : state.data.sets[unit.group.set];
  const notes = unit.runs.flatMap((each) => each.notes.map((note) => noteParts(note, unit.runs.length > 1 ? each.name : "")));
  dialog.replaceChildren(
    element("h2", { id: "details-title" }, unit.name), close,
    element("p", {}, ...tags(unit), unit.fault ? element("span", { class: "fault" }, unit.fault) : ""),
    element("dl", { class: "facts" },
      ...fact("Recipe", unit.recipe),
      ...fact(run.reference && run.reference !== run.name ? `Differs from ${run.reference}` : "Differs", unit.differs.join(", ") || "–"),
      ...fact("Score", unit.score ? scoreText(unit.score) : "–", seedsText(unit) && ` ${seedsText(unit)}`),
      ...fact("Scored on", set ? `${set.score_of}, ${number.format(unit.newest.photos)} photos of ${counted(unit.people, "person").replace("persons", "people")}; ${set.truth}` : ""),
      ...fact("Time", `${duration(unit.seconds)}${unit.rate === null ? "" : `, ${number.format(Math.round(unit.rate))} photos/s`}`),
      ...fact("Warnings", unit.warnings.length ? element("ul", {}, ...unit.warnings.map((warning) => element("li", {}, warning))) : ""),
      ...fact(unit.runs.length > 1 ? "Runs" : "Folder", element("ul", { class: "folders" }, ...unit.runs.map((each) =>
        element("li", {}, each.path, " ", reportLink(each), unit.runs.length > 1 && each.score ? element("small", {}, `seed ${each.seed}: ${scoreText(each.score)}`
          + (unit.compared.includes(each) ? "" : "; not compared, as a newer run has this seed")) : "")))),
      ...fact("Command", run.command ? element("code", {}, run.command) : "")),
    element("h3", {}, "Notes"),
    ...(notes.length ? notes : [element("p", { class: "soft" }, isLive ? "None yet." : "None yet: maskgate note writes some, or the page of maskgate dashboard --serve.")]),
    isLive && unit.newest.state !== "damaged" ? noteForm(unit) : "");
}

function showDetails(id) {
  shownId = id;
  fillDetails();
  dialog.showModal();
}
dialog.addEventListener("click", (event) => event.target === dialog && dialog.close());
dialog.addEventListener("close", () => { shownId = null; });
