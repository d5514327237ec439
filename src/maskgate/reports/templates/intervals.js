"use strict";
// Shows the title of what is tapped, clicked, or reached by the arrow keys: the numbers behind a
// mark of a chart or a cell of a table, with their interval. A mouse shows titles by itself.
(() => {
  const REACH = 24; // pixels between a finger and the mark it means
  const bubble = document.createElement("div");
  bubble.className = "bubble";
  bubble.setAttribute("role", "status");
  bubble.hidden = true;
  document.body.append(bubble);
  let current = null;

  const wordsOf = (mark) => mark.getAttribute("title") ?? mark.querySelector(":scope > title").textContent;
  const marksOf = (owner) =>
    owner.matches("svg")
      ? [...owner.querySelectorAll("title")].map((title) => title.parentElement)
      : [...owner.querySelectorAll("[title]")];

  const hide = () => {
    current?.classList.remove("current");
    current = null;
    bubble.hidden = true;
  };

  const show = (mark) => {
    hide();
    current = mark;
    mark.classList.add("current");
    mark.scrollIntoView({ block: "nearest", inline: "nearest" });
    bubble.textContent = wordsOf(mark);
    bubble.hidden = false;
    const box = mark.getBoundingClientRect();
    const left = (box.left + box.right - bubble.offsetWidth) / 2;
    const above = box.top - bubble.offsetHeight - 6;
    bubble.style.left = `${Math.max(8, Math.min(left, innerWidth - bubble.offsetWidth - 8))}px`;
    bubble.style.top = `${above < 8 ? box.bottom + 6 : above}px`;
  };

  const distance = (mark, x, y) => {
    const box = mark.getBoundingClientRect();
    return Math.hypot(Math.max(box.left - x, 0, x - box.right), Math.max(box.top - y, 0, y - box.bottom));
  };

  const nearest = (svg, x, y) => {
    const marks = marksOf(svg).map((mark) => [distance(mark, x, y), mark]);
    const [gap, mark] = marks.sort(([one], [two]) => one - two)[0] ?? [Infinity, null];
    return gap <= REACH ? mark : null;
  };

  document.addEventListener("click", (event) => {
    const svg = event.target.closest("figure svg");
    const mark = svg ? nearest(svg, event.clientX, event.clientY) : event.target.closest("main [title]");
    if (mark) show(mark);
    else hide();
  });

  const owners = [...document.querySelectorAll("figure svg, table.confusion")];
  for (const owner of owners.filter((each) => marksOf(each).length)) {
    owner.tabIndex = 0;
    owner.addEventListener("blur", hide);
    owner.addEventListener("keydown", (event) => {
      const inRow = owner.matches("table") ? owner.rows[1].querySelectorAll("[title]").length : 1;
      const step = { ArrowRight: 1, ArrowDown: inRow, ArrowLeft: -1, ArrowUp: -inRow }[event.key];
      if (!step) return;
      event.preventDefault();
      const marks = marksOf(owner);
      const at = marks.indexOf(current);
      show(marks[at < 0 ? (step > 0 ? 0 : marks.length - 1) : (at + step + marks.length) % marks.length]);
    });
  }
  document.addEventListener("keydown", (event) => event.key === "Escape" && hide());
  addEventListener("resize", hide);
})();
