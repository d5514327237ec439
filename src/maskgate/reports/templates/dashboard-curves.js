// ---------------------------------------------------------------- curves over one another
const MEASURES = { train_loss: "Training loss", valid_loss: "Validation loss", valid_score: "Validation macro F1" };
const PLOT = { width: 460, height: 240, left: 46, right: 12, top: 12, bottom: 34 };

function linesOf(fold, measure) {
  return fold.epoch.map((epoch, at) => [epoch, fold[measure][at]]).filter(([, value]) => value !== null);
}

// The mean of the folds in each epoch that all of them have.
function meanLine(folds, measure) {
  const values = new Map();
  for (const fold of folds) {
    for (const [epoch, value] of linesOf(fold, measure)) values.set(epoch, [...(values.get(epoch) ?? []), value]);
  }
  return [...values].filter(([, each]) => each.length === folds.length)
    .map(([epoch, each]) => [epoch, mean(each)]).sort(([one], [two]) => one - two);
}

function seriesOf(units, measure) {
  return units.map((unit) => {
    const folds = unit.compared.flatMap((run) => run.folds).filter((fold) => linesOf(fold, measure).length);
    return { unit, colour: colourOf(unit), folds: folds.map((fold) => linesOf(fold, measure)), mean: meanLine(folds, measure) };
  }).filter((series) => series.folds.length);
}

function chart(measure, title, units, showsFolds) {
  const all = seriesOf(units, measure);
  const points = all.flatMap((series) => [...series.mean, ...series.folds.flat()]);
  if (!points.length) return null;
  const epochs = points.map(([epoch]) => epoch);
  const [first, last] = [Math.min(...epochs), Math.max(...epochs)];
  const marks = ticks(Math.min(0, ...points.map(([, value]) => value)), Math.max(1e-9, ...points.map(([, value]) => value)));
  const x = (epoch) => PLOT.left + ((epoch - first) / (last - first || 1)) * (PLOT.width - PLOT.left - PLOT.right);
  const y = (value) => PLOT.top + ((marks[marks.length - 1] - value) / (marks[marks.length - 1] - marks[0])) * (PLOT.height - PLOT.top - PLOT.bottom);
  const path = (line) => line.map(([epoch, value]) => `${x(epoch).toFixed(1)},${y(value).toFixed(1)}`).join(" ");
  const draws = (line, colour, width, opacity) => line.length === 1
    ? shape("circle", { cx: x(line[0][0]), cy: y(line[0][1]), r: 2 + width / 2, fill: colour, "fill-opacity": opacity })
    : shape("polyline", { points: path(line), fill: "none", stroke: colour, "stroke-width": width, "stroke-opacity": opacity });
  const parts = marks.flatMap((mark) => [
    shape("path", { class: "grid", d: `M${PLOT.left} ${y(mark).toFixed(1)}H${PLOT.width - PLOT.right}` }),
    shape("text", { x: PLOT.left - 6, y: y(mark) + 4, "text-anchor": "end" }, plain(mark)),
  ]);
  const whole = ticks(first, last, 6).filter((mark) => Number.isInteger(mark) && mark > first && mark < last);
  const room = 0.1 * (last - first);
  for (const mark of [first, ...whole.filter((each) => each - first > room && last - each > room), ...(last > first ? [last] : [])]) {
    parts.push(shape("text", { x: x(mark), y: PLOT.height - 18, "text-anchor": "middle" }, `${mark}`));
  }
  parts.push(shape("text", { x: (PLOT.left + PLOT.width - PLOT.right) / 2, y: PLOT.height - 3, "text-anchor": "middle" }, "epoch"));
  if (showsFolds) for (const series of all) parts.push(...series.folds.map((fold) => draws(fold, series.colour, 1, 0.45)));
  for (const series of all) parts.push(draws(series.mean, series.colour, 2.5, 1));
  const guide = shape("path", { class: "guide", d: "" });
  const summary = all.map((series) => `${series.unit.name} ends at ${plain((series.mean.at(-1) ?? series.folds[0].at(-1))[1])}`).join(", ");
  const drawing = shape("svg", { viewBox: `0 0 ${PLOT.width} ${PLOT.height}`, role: "img", tabindex: 0,
    "aria-label": `${title} by epoch: ${summary}`, "data-focus": `curve ${measure}` }, ...parts, guide);
  readValues(drawing, guide, { all, x, first, last });
  return element("figure", {}, element("figcaption", {}, title), drawing);
}

// The values of an epoch, by pointer or by the arrow keys.
function readValues(drawing, guide, { all, x, first, last }) {
  let epoch = null;
  const show = (next) => {
    epoch = Math.max(first, Math.min(last, next));
    guide.setAttribute("d", `M${x(epoch)} ${PLOT.top}V${PLOT.height - PLOT.bottom}`);
    const lines = all.flatMap((series) => {
      const point = series.mean.find(([each]) => each === epoch);
      return point ? [`${series.unit.name}: ${plain(point[1])}`] : [];
    });
    const box = drawing.getBoundingClientRect();
    showBubble([`epoch ${epoch}`, ...lines].join("\n"), box.left + (x(epoch) / PLOT.width) * box.width, box.top + box.height / 4);
  };
  const hide = () => { epoch = null; guide.setAttribute("d", ""); hideBubble(); };
  drawing.addEventListener("pointermove", (event) => {
    const box = drawing.getBoundingClientRect();
    const place = ((event.clientX - box.left) / box.width) * PLOT.width;
    show(Math.round(first + ((place - PLOT.left) / (PLOT.width - PLOT.left - PLOT.right)) * (last - first)));
  });
  drawing.addEventListener("pointerleave", hide);
  drawing.addEventListener("blur", hide);
  drawing.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (event.key === "Escape") hide();
    if (!step) return;
    event.preventDefault();
    show(epoch === null ? (step > 0 ? first : last) : epoch + step);
  });
}

function drawCurves() {
  const units = pickedUnits();
  const showsFolds = byId("show-folds").checked;
  const charts = Object.entries(MEASURES).map(([measure, title]) => chart(measure, title, units, showsFolds)).filter(Boolean);
  byId("curves").replaceChildren(...charts);
  const drawn = charts.length ? units : [];
  byId("curves-legend").replaceChildren(...drawn.map((unit) => {
    const key = element("span", { class: "key" }, element("i", {}), unit.name);
    key.firstChild.style.background = colourOf(unit);
    return key;
  }));
  const without = units.filter((unit) => !unit.compared.some((run) => run.folds.length)).map((unit) => unit.name);
  byId("curves-note").textContent = !units.length ? "Pick rows of the table to see their curves."
    : [charts.length ? "Thick: the mean of all folds and seeds, in the epochs that all of them have. Thin: each fold." : "",
      without.length ? `No curves of ${without.join(", ")}.` : ""].filter(Boolean).join(" ");
}
byId("show-folds").addEventListener("change", drawCurves);
