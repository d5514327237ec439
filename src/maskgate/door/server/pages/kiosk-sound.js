// Sounds and speech, both optional.

// Each sound is a list of [frequency in Hz, start in s].
const SOUNDS = {
  go: [[660, 0], [990, 0.15]],
  stop: [[330, 0], [330, 0.25]],
  call: [[880, 0], [660, 0.2], [880, 0.4]],
};
const LENGTH = 0.14; // seconds

let context = null;

export function play(name) {
  context ??= new AudioContext();
  context.resume();
  for (const [frequency, start] of SOUNDS[name]) {
    const tone = context.createOscillator(), volume = context.createGain();
    const begin = context.currentTime + start;
    tone.frequency.value = frequency;
    volume.gain.setValueAtTime(0.25, begin);
    volume.gain.exponentialRampToValueAtTime(0.001, begin + LENGTH);
    tone.connect(volume).connect(context.destination);
    tone.start(begin);
    tone.stop(begin + LENGTH);
  }
}

export function speak(text, language) {
  if (!("speechSynthesis" in window)) return;
  speechSynthesis.cancel();
  const speech = new SpeechSynthesisUtterance(text);
  speech.lang = language;
  speechSynthesis.speak(speech);
}
