// The kiosk: camera → frames → the service → verdicts on the screen, four times a second at least.

import { Camera } from "./kiosk-camera.js";
import * as decision from "./kiosk-decision.js";
import { Link } from "./kiosk-link.js";
import { play, speak } from "./kiosk-sound.js";
import { View } from "./kiosk-view.js";

const TICK = 250; // milliseconds
const FIRST = 3; // seconds in which the camera and the service may start
const OVERRIDE = 6; // seconds that an override lasts
const CALLED = 30; // seconds that the screen says that staff have been called
const REPEAT = 5; // seconds until a call that failed is repeated
const PATIENCE = 5; // seconds until a silent camera or connection is opened anew
const RIGHT = [decision.GO, decision.LET_IN];
const NOBODY = [decision.EMPTY, decision.CLOSER];

const now = () => performance.now() / 1000;

class Kiosk {
  constructor(settings, door) {
    this.settings = settings;
    this.state = decision.start();
    this.people = [];
    this.override = this.called = -Infinity;
    this.waiting = null; // since when nobody is let in, and whether staff have been called for it
    this.begin = now();
    this.isCurrent = true; // whether the settings are known to be those of the service
    this.camera = new Camera(document.getElementById("video"));
    this.link = new Link(door);
    this.view = new View(settings, () => this.call("help"));
  }

  start() {
    this.camera.onframe = (time) => this.link.send(this.camera, time, decision.STALE);
    this.link.onanswer = (answer, time) => {
      if (now() - time > decision.STALE) return;
      this.state = decision.update(this.state, answer, now(), this.settings);
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

  // Work out what the screen says now, and show it.
  show() {
    const time = now();
    this.state = decision.decide(this.state, time);
    const fault = decision.fault(time, {
      problem: this.camera.problem ?? (this.isCurrent ? null : "no_server"),
      frame: this.camera.frameTime,
      change: this.camera.changeTime,
      answer: Math.max(this.link.answerTime, this.camera.openTime),
      dark: this.camera.darkTime,
    });
    let verdict = this.state.door, message = verdict;
    if (fault && time - this.begin < FIRST && this.link.answerTime < 0) {
      verdict = message = decision.MOMENT;
    } else if (fault) {
      this.state = decision.start(); // a verdict after a fault rests on new frames alone
      [verdict, message] = ["none", fault];
    } else if (this.link.answerTime < this.camera.openTime) {
      verdict = message = decision.MOMENT; // no frame of this camera has an answer yet
    }
    if (time < this.override) verdict = message = decision.LET_IN;
    this.link.report(verdict, verdict === "none" ? message : null, this.settings.policy);
    this.alert(verdict, time);
    if (RIGHT.includes(verdict)) this.called = -Infinity;
    const change = this.view.show(verdict, message, fault ? [] : this.state.people, time < this.called);
    if (change) this.tell(verdict);
  }

  tell(verdict) {
    if (verdict === decision.EMPTY || verdict === decision.MOMENT) return;
    if (this.view.sound) play(RIGHT.includes(verdict) ? "go" : "stop");
    if (this.view.speech) speak(this.view.text, this.view.language.code);
  }

  // Call staff if somebody has not been let in, or there has been no verdict, for long.
  alert(verdict, time) {
    if (RIGHT.includes(verdict) || NOBODY.includes(verdict)) {
      this.waiting = null;
      return;
    }
    const reason = verdict === "none" ? "no_verdict" : "waiting";
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

async function begin() {
  const first = await settings();
  const kiosk = new Kiosk(first, new URLSearchParams(location.search).get("door") ?? "main");
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
