// A camera that the service reads: it asks for pictures, and draws each one that comes with an answer.

import { STALE } from "./kiosk-faults.js";

const REASONS = { lost: "no_camera", frozen: "frozen", dark: "dark", covered: "covered" };

const now = () => performance.now() / 1000;

export class ServiceCamera {
  constructor(canvas, link) {
    this.canvas = canvas;
    this.link = link;
    this.newest = now(); // when the newest picture was taken, or the newest fault found
    this.fault = null;
    // The service looks for faults of the picture; `problem` says what it has found.
    this.openTime = -Infinity;
    this.frameTime = this.changeTime = Infinity;
    this.darkTime = null;
  }

  open() {
    this.canvas.hidden = false;
  }

  check() {
    this.link.ask(now(), STALE);
  }

  get problem() {
    const time = now();
    if (time - this.link.answerTime > STALE) return null; // the service is silent
    if (this.fault) return REASONS[this.fault] ?? "no_camera";
    return time - this.newest > STALE ? "no_camera" : null;
  }

  // Take an answer, whose frame was taken at this time or later: whether its picture is drawn now.
  async take(answer, time, picture) {
    this.check();
    if (answer.fault) {
      this.fault = answer.fault;
      this.newest = Math.max(this.newest, time);
      this.canvas.width = this.canvas.width; // nothing of the last picture stays
      return false;
    }
    if (!picture) return false;
    let bitmap;
    try {
      bitmap = await createImageBitmap(picture);
    } catch {
      return false; // a damaged picture
    }
    const isNewer = time > this.newest;
    if (isNewer) {
      this.newest = time;
      this.fault = null;
      [this.canvas.width, this.canvas.height] = [bitmap.width, bitmap.height];
      this.canvas.getContext("2d").drawImage(bitmap, 0, 0);
    }
    bitmap.close();
    return isNewer;
  }
}
