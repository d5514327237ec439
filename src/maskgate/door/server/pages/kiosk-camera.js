// The camera: asks for it until it is there, and says when its picture changes.

import { DARK } from "./kiosk-faults.js";

const RETRY = 1000; // milliseconds
const LONGEST = 640; // pixels of the longer side of a frame for the server
const SAMPLES = 4096; // pixels that are compared with the frame before
const QUALITY = 0.8; // of the JPEG
const APART = 0.08; // seconds between frames, at least

const now = () => performance.now() / 1000;

const hasEnded = (stream) => stream.getVideoTracks()[0].readyState === "ended";

export class Camera {
  constructor(video) {
    this.video = video;
    this.canvas = document.createElement("canvas");
    this.problem = "no_camera";
    this.frameTime = this.changeTime = -Infinity;
    this.openTime = this.readTime = -Infinity;
    this.darkTime = null;
    this.onframe = () => {};
    this.samples = new Uint8Array(SAMPLES);
    navigator.mediaDevices?.addEventListener("devicechange", () => this.problem && this.open());
  }

  async open() {
    clearTimeout(this.timer);
    if (this.isOpening) return;
    this.isOpening = true;
    let stream;
    try {
      if (!navigator.mediaDevices) {
        this.problem = "insecure";
        return;
      }
      const video = { facingMode: "user", width: { ideal: 1280 }, height: { ideal: 720 } };
      stream = await navigator.mediaDevices.getUserMedia({ video });
      stream.getVideoTracks()[0].addEventListener("ended", () => this.lose(stream));
      this.video.srcObject = stream;
      await this.video.play();
      this.problem = null;
      this.openTime = this.frameTime = this.changeTime = now();
      this.watch(stream);
    } catch (error) {
      this.problem = error.name === "NotAllowedError" ? "no_permission" : "no_camera";
      for (const track of stream?.getTracks() ?? []) track.stop();
      this.video.srcObject = null;
      this.retry();
    } finally {
      this.isOpening = false;
    }
  }

  lose(stream) {
    for (const track of stream.getTracks()) track.stop();
    if (this.video.srcObject !== stream) return;
    this.video.srcObject = null;
    this.problem = "no_camera";
    this.retry();
  }

  retry() {
    clearTimeout(this.timer);
    this.timer = setTimeout(() => this.open(), RETRY);
  }

  // If frames stop for long without an event, the camera is opened anew.
  check(patience) {
    const stream = this.video.srcObject;
    if (!stream || this.problem) return;
    if (hasEnded(stream) || now() - this.frameTime > patience) this.lose(stream);
  }

  watch(stream) {
    this.video.requestVideoFrameCallback(() => {
      if (this.video.srcObject !== stream) return;
      if (hasEnded(stream)) return this.lose(stream); // its last frame is black
      this.read();
      this.watch(stream);
    });
  }

  read() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth || now() - this.readTime < APART) return;
    this.readTime = now();
    const scale = Math.min(1, LONGEST / Math.max(videoWidth, videoHeight));
    const width = Math.round(videoWidth * scale), height = Math.round(videoHeight * scale);
    if (this.canvas.width !== width || this.canvas.height !== height) {
      [this.canvas.width, this.canvas.height] = [width, height];
    }
    const context = this.canvas.getContext("2d", { willReadFrequently: true });
    context.drawImage(this.video, 0, 0, width, height);
    const { data } = context.getImageData(0, 0, width, height);
    const step = data.length / 4 / SAMPLES;
    let sum = 0, differs = false;
    for (let i = 0; i < SAMPLES; i++) {
      const value = data[4 * Math.floor(i * step) + 1]; // green is nearly the brightness
      differs ||= value !== this.samples[i];
      this.samples[i] = value;
      sum += value;
    }
    this.frameTime = now();
    if (differs) this.changeTime = this.frameTime;
    this.darkTime = sum / SAMPLES < DARK ? (this.darkTime ?? this.frameTime) : null;
    this.onframe(this.frameTime);
  }

  jpeg() {
    return new Promise((resolve) => this.canvas.toBlob(resolve, "image/jpeg", QUALITY));
  }
}
