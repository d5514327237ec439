// What is on the screen: the verdict, the people's boxes, the controls.

const SCALES = [1, 1.25, 1.5, 2];

const element = (id) => document.getElementById(id);

function stored(name, value) {
  try {
    return JSON.parse(localStorage.getItem(`kiosk-${name}`)) ?? value;
  } catch {
    return value;
  }
}

function store(name, value) {
  try {
    localStorage.setItem(`kiosk-${name}`, JSON.stringify(value));
  } catch {
    // a browser that stores nothing
  }
}

function icon(name) {
  const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const use = document.createElementNS("http://www.w3.org/2000/svg", "use");
  use.setAttribute("href", `#${name}`);
  svg.append(use);
  svg.classList.add("icon");
  svg.setAttribute("aria-hidden", "true");
  return svg;
}

export class View {
  constructor(settings, call) {
    this.settings = settings;
    this.width = 16;
    this.height = 9;
    this.message = "moment";
    this.boxes = new Map();
    this.sound = stored("sound", settings.sound);
    this.speech = stored("speech", settings.speech);
    this.scale = stored("scale", 1);
    this.ratio = devicePixelRatio;
    element("call").addEventListener("click", call);
    element("unloaded").remove();
    for (const name of ["sound", "speech"]) {
      element(name).addEventListener("click", () => {
        this[name] = !this[name];
        store(name, this[name]);
        this.label();
      });
    }
    element("text_size").addEventListener("click", () => {
      this.scale = SCALES[(SCALES.indexOf(this.scale) + 1) % SCALES.length];
      store("scale", this.scale);
      this.resize();
    });
    // Text is sized by the screen, so that the browser's zoom would not enlarge it.
    addEventListener("resize", () => this.resize());
    for (const language of settings.languages) {
      const button = document.createElement("button");
      button.type = "button";
      button.textContent = language.name;
      button.lang = language.code;
      button.addEventListener("click", () => {
        store("language", language.code);
        this.speak(language);
      });
      element("languages").append(button);
    }
    element("languages").hidden = settings.languages.length < 2;
    this.resize();
    this.speak(this.first());
  }

  first() {
    const { languages, follow_browser } = this.settings;
    const asked = new URLSearchParams(location.search).get("lang");
    const codes = [asked, stored("language", null), ...(follow_browser ? navigator.languages : [])];
    for (const code of codes.filter(Boolean)) {
      const language = languages.find((each) => code === each.code || code.startsWith(`${each.code}-`));
      if (language) return language;
    }
    return languages[0];
  }

  // Use a language from now on.
  speak(language) {
    this.language = language;
    document.documentElement.lang = language.code;
    document.title = language.labels.title;
    this.label();
    this.write();
    for (const box of this.boxes.values()) box.verdict = null;
  }

  label() {
    const { labels } = this.language, { purpose } = this.settings;
    element("call").lastChild.textContent = labels.call;
    element("called").lastChild.textContent = labels.called;
    for (const name of ["sound", "speech"]) {
      element(name).setAttribute("aria-pressed", this[name]);
    }
    for (const name of ["sound", "speech", "text_size"]) {
      element(name).title = labels[name];
      element(name).setAttribute("aria-label", labels[name]);
    }
    element("judged").textContent =
      (purpose ? `${labels.purpose} ${purpose}.` : labels.mask_only) + ` ${labels.not_kept}`;
    for (const button of element("languages").children) {
      button.setAttribute("aria-pressed", button.lang === this.language.code);
    }
  }

  resize() {
    const zoom = Math.max(1, devicePixelRatio / this.ratio);
    document.documentElement.style.setProperty("--scale", this.scale * zoom);
  }

  // Pixels of the camera's frames.
  size(width, height) {
    if (width === this.width && height === this.height) return;
    [this.width, this.height] = [width, height];
    element("picture").style.setProperty("--ratio", width / height);
  }

  get words() {
    const { messages } = this.language;
    return messages[this.message] ?? messages.no_camera; // a language of one's own may be older
  }

  get text() {
    const { message, detail } = this.words;
    return detail ? `${message}. ${detail}.` : message;
  }

  write() {
    const { message, detail } = this.words;
    element("message").textContent = message;
    element("detail").textContent = detail;
  }

  // Show the door's verdict with its message, and each person's in `answer` unless staff let them in;
  // whether the message is new.
  show(verdict, message, answer, called) {
    this.people(["none", "let_in"].includes(verdict) ? [] : answer.people, answer.faces);
    if (element("called").hidden === called) element("called").hidden = !called;
    if (verdict === this.verdict && message === this.message) return false;
    this.verdict = verdict;
    this.message = message;
    document.body.dataset.state = verdict;
    element("verdict").querySelector("use").setAttribute("href", `#${verdict}`);
    this.write();
    return true;
  }

  people(people, faces) {
    const tracks = new Set(people.map((each) => each.track));
    for (const [track, box] of this.boxes) {
      if (tracks.has(track)) continue;
      box.item.remove();
      this.boxes.delete(track);
    }
    for (const person of people) {
      if (!this.boxes.has(person.track)) {
        const item = document.createElement("li");
        element("people").append(item);
        this.boxes.set(person.track, { item, verdict: null, face: {} });
      }
      const box = this.boxes.get(person.track);
      box.face = faces[person.face] ?? box.face; // it may not be detected in this frame
      this.place(box, person);
    }
    this.placeLabels(people);
  }

  place(box, person) {
    const [left, top, right, bottom] = person.box, { style } = box.item;
    style.left = `${100 - (100 * right) / this.width}%`; // the picture is a mirror
    style.width = `${(100 * (right - left)) / this.width}%`;
    style.top = `${(100 * top) / this.height}%`;
    style.height = `${(100 * (bottom - top)) / this.height}%`;
    const text = this.describe(person.verdict, box.face);
    if (box.verdict === person.verdict && box.text === text) return;
    box.verdict = person.verdict;
    box.text = text;
    box.item.dataset.state = person.verdict;
    const label = document.createElement("span");
    label.append(icon(person.verdict), text);
    box.item.replaceChildren(label);
  }

  // Each label goes below its box or above it, where it is in the picture and covers no other label.
  placeLabels(people) {
    const { clientWidth, clientHeight } = element("picture"), used = [];
    const isFree = (area) =>
      area.top >= 0 && area.bottom <= clientHeight &&
      !used.some((each) => area.left < each.right && each.left < area.right
        && area.top < each.bottom && each.top < area.bottom);
    for (const { track, box } of people) {
      const { item } = this.boxes.get(track), label = item.firstChild;
      const [begin, end] = [this.width - box[2], this.width - box[0]].map((x) => (x / this.width) * clientWidth);
      const [top, bottom] = [box[1], box[3]].map((y) => (y / this.height) * clientHeight);
      const { offsetWidth: width, offsetHeight: height } = label, gap = item.clientLeft;
      const left = Math.max(0, Math.min(clientWidth - width, (begin + end - width) / 2));
      const at = (y) => ({ left, right: left + width, top: y, bottom: y + height });
      const lowest = clientHeight - height;
      const places = [Math.min(bottom + gap, lowest), Math.max(top - height - gap, 0), 0, lowest].map(at);
      const area = places.find(isFree) ?? places[0];
      used.push(area);
      label.style.left = `${area.left - begin - gap}px`;
      label.style.top = `${area.top - top - gap}px`;
    }
  }

  // A person's verdict in words, with gender and age band where they are turned on.
  describe(verdict, face) {
    const { messages, labels } = this.language;
    const answers = [face.gender?.value, face.age_band?.value].filter(Boolean);
    const text = verdict === "go" ? labels.fine : messages[verdict].message; // others may not go
    return [text, ...answers.map((each) => labels[each])].join(" · ");
  }
}
