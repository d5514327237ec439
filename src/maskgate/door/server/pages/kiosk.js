// The kiosk: camera → frames → the service → its decisions on the screen. The camera is the browser's
// own or one that the service reads. The page adds what only it knows: faults of the camera and of the service, people whom staff let in, calls for staff.

import { Camera } from "./kiosk-camera.js";
import { fault, STALE } from "./kiosk-faults.js";
import { Link } from "./kiosk-link.js";
import { ServiceCamera } from "./kiosk-service-camera.js";
import { play, speak } from "./kiosk-sound.js";
import { View } from "./kiosk-view.js";

const TICK = 250; // milliseconds
const FIRST = 3; // seconds in which the camera and the service may start
const OVERRIDE = 6; // seconds that an override lasts
const CALLED = 30; // seconds that the screen says that staff have been called
const REPEAT = 5; // seconds until a call that failed is repeated
const PATIENCE = 5; // seconds until a silent camera or connection is opened anew
const BROWSER = "browser"; // in place of a camera's name: the browser's own
const MOMENT = "moment", LET_IN = "let_in", NONE = "none", EMPTY = "empty";
const RIGHT = ["go", LET_IN];
const NOBODY = [EMPTY, "closer"];

const now = () => performance.now() / 1000;

class Kiosk {
  constructor(settings, door, camera) {
    this.settings = settings;
    this.forget();
    this.faultTime = -Infinity; // when the screen last said that there is no verdict
    this.override = this.called = -Infinity;
    this.waiting = null; // since when nobody is let in, and whether staff have been called for it
    this.begin = now();
    this.isCurrent = true; // whether the settings are known to be those of the service
    this.link = new Link(door, camera);
    this.camera = camera === null
      ? new Camera(document.getElementById("video"))
      : new ServiceCamera(document.getElementById("frame"), this.link);
    this.view = new View(settings, () => this.call("help"));
  }

  start() {
    this.camera.onframe = (time) => this.link.send(this.camera, time, STALE);
    this.link.onanswer = async (answer, time, picture) => {
      if (this.link.camera !== null && !(await this.camera.take(answer, time, picture))) {
        this.show();
        return;
      }
      // A verdict after a fault rests on new frames alone: by the reports the service knows of it.
      if (now() - time > STALE || time <= this.faultTime) return;
      this.answer = answer;
      this.view.size(answer.width, answer.height);
      this.show();
    };
    this.link.onevent = (event) => {
      if (event.kind === "override") {
        this.override = now() + OVERRIDE;
        this.called = -Infinity;
      } else {
        this.called = now() + CALLED;
        if (this.view.sound) play("call");
      }
      this.show();
    };
    addEventListener("keydown", (event) => {
      if (event.key !== this.settings.override_key || event.repeat) return;
      event.preventDefault();
      this.link.publish("override", "operator");
    });
    document.addEventListener("visibilitychange", () => this.show());
    this.camera.open();
    this.link.open();
    this.link.listen();
    setInterval(() => this.tick(), TICK);
  }

  tick() {
    const time = now();
    this.camera.check(PATIENCE);
    if (!this.camera.problem) this.link.check(time, PATIENCE);
    this.show();
  }

  forget() {
    this.answer = { door: MOMENT, people: [], faces: [] };
  }

  // Work out what the screen says now, and show it.
  show() {
    const time = now();
    const reason = fault(time, {
      problem: this.camera.problem ?? (this.isCurrent ? null : "no_server"),
      frame: this.camera.frameTime,
      change: this.camera.changeTime,
      answer: Math.max(this.link.answerTime, this.camera.openTime),
      dark: this.camera.darkTime,
    });
    const isStarting = time - this.begin < FIRST && this.link.answerTime < 0;
    const isFault = reason !== null && !isStarting;
    if (isFault) {
      this.forget();
      this.faultTime = time;
    }
    let verdict = this.answer.door, message = verdict;
    if (isFault) {
      [verdict, message] = [NONE, reason];
    } else if (this.link.answerTime < this.camera.openTime) {
      verdict = message = MOMENT; // no frame of this camera has an answer yet
    }
    if (time < this.override) verdict = message = LET_IN;
    this.link.report({
      state: verdict,
      reason: verdict === NONE ? message : null,
      policy: this.settings.policy,
      restart: isFault,
    });
    this.alert(verdict, time);
    if (RIGHT.includes(verdict)) this.called = -Infinity;
    const change = this.view.show(verdict, message, this.answer, time < this.called);
    if (change) this.tell(verdict);
  }

  tell(verdict) {
    if (verdict === EMPTY || verdict === MOMENT) return;
    if (this.view.sound) play(RIGHT.includes(verdict) ? "go" : "stop");
    if (this.view.speech) speak(this.view.text, this.view.language.code);
  }

  // Call staff if somebody has not been let in, or there has been no verdict, for long.
  alert(verdict, time) {
    if (RIGHT.includes(verdict) || NOBODY.includes(verdict)) {
      this.waiting = null;
      return;
    }
    const reason = verdict === NONE ? "no_verdict" : "waiting";
    if (this.waiting?.reason !== reason) this.waiting = { reason, time, next: time, called: false };
    const { waiting } = this;
    if (waiting.called || time - waiting.time < this.settings.alert_after || time < waiting.next) return;
    waiting.next = time + REPEAT;
    this.call(reason).then((done) => (waiting.called ||= done));
  }

  call(reason) {
    return this.link.publish("alert", reason);
  }
}

async function load(path) {
  const answer = await fetch(path, { cache: "no-store" });
  if (answer.status === 401) location.assign("/pair");
  if (!answer.ok) throw new Error(`${path}: ${answer.status}`);
  return answer.json();
}

// The settings, as soon as the service gives them.
async function settings() {
  for (;;) {
    try {
      const [kiosk, door] = await Promise.all([load("/v1/kiosk"), load("/v1/settings")]);
      return { ...kiosk, purpose: door.purpose, version: door.version };
    } catch {
      await new Promise((resolve) => setTimeout(resolve, 1000));
    }
  }
}

// The name of the service's camera that the address asks for, or the only one; null if it is the
// browser's own.
function cameraName(query, cameras) {
  const name = query.get("camera") ?? (cameras.length === 1 ? cameras[0] : BROWSER);
  return name === BROWSER ? null : name;
}

async function begin() {
  const first = await settings(), query = new URLSearchParams(location.search);
  const kiosk = new Kiosk(first, query.get("door") ?? "main", cameraName(query, first.cameras));
  kiosk.link.onreopen = async () => {
    // The service may have been restarted with other settings: until they are known there is no
    // verdict, and the page is loaded anew if they differ.
    const { socket } = kiosk.link;
    kiosk.isCurrent = false;
    const latest = await settings();
    if (JSON.stringify(latest) !== JSON.stringify(first)) location.reload();
    else if (socket === kiosk.link.socket) kiosk.isCurrent = true; // else the next connection asks
  };
  kiosk.start();
  navigator.wakeLock?.request("screen").catch(() => {});
}

begin();
