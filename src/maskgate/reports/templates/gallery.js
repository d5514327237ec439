"use strict";
// Filters the cards of the mistakes, and says how many such mistakes there are in all.
(() => {
  const form = document.getElementById("filters");
  const cards = [...document.querySelectorAll(".mistake")];
  const kinds = JSON.parse(document.getElementById("mistake-kinds").textContent);
  const { attribute, true: truth, predicted, mask, fold, count } = form.elements;
  const inAll = kinds.rows.map((row) => Object.fromEntries(row.map((value, at) => [kinds.columns[at], value])));
  const number = new Intl.NumberFormat("en");

  // Whether a mistake is of the kind chosen; it has the true and the predicted value by attribute.
  const fits = (mistake) => {
    const name = attribute.value;
    const [right, answer] = [mistake[`true_${name}`], mistake[name]];
    return (
      (!name || (right !== "" && right !== answer)) &&
      (!truth.value || right === truth.value) &&
      (!predicted.value || answer === predicted.value) &&
      (!mask.value || mistake.true_mask === mask.value) &&
      (!fold.value || mistake.fold === fold.value)
    );
  };

  const show = () => {
    for (const card of cards) card.hidden = !fits(card.dataset);
    const shown = cards.filter((card) => !card.hidden).length;
    const all = kinds.photos.reduce((sum, photos, at) => sum + (fits(inAll[at]) ? photos : 0), 0);
    count.value = `Shows ${number.format(shown)} of ${number.format(all)} such mistakes.`;
  };

  const offerValues = () => {
    for (const select of [truth, predicted]) {
      const values = kinds.values[attribute.value] ?? [];
      select.replaceChildren(new Option("any value", ""));
      select.append(...values.map((value) => new Option(value.replaceAll("_", " "), value)));
      select.disabled = !values.length;
    }
  };

  const showAll = () => {
    form.reset();
    offerValues();
    show();
  };

  attribute.addEventListener("change", offerValues);
  form.addEventListener("change", show);
  form.addEventListener("submit", (event) => event.preventDefault());
  form.addEventListener("click", (event) => event.target.type === "reset" && showAll());
  // A wrong cell of a confusion matrix links to its mistakes.
  document.addEventListener("click", (event) => {
    const link = event.target.closest("a[data-attribute]");
    if (!link) return;
    form.reset();
    attribute.value = link.dataset.attribute;
    offerValues();
    truth.value = link.dataset.true;
    predicted.value = link.dataset.predicted;
    show();
  });

  offerValues();
  form.hidden = false;
  show();
})();
