// Plays a world in real time and draws its frames.

const STEPS_PER_S = 15; // agent steps: 60 emulator frames with a frame skip of 4
const LONGEST_S = 0.25; // of play that is caught up after a pause of the browser
const BUSY_MS = 12; // of each animation frame, at most

export class Player {
  // actionOf: what to play next; onChange: called after frames were drawn or play has stopped.
  constructor(canvas, generator, world, latents, actionOf, onChange) {
    const { width, height } = generator.settings;
    Object.assign(canvas, { width, height });
    this.context = canvas.getContext("2d", { alpha: false });
    Object.assign(this, { generator, world, latents, actionOf, onChange });
    this.label = 0;
    this.isPlaying = false;
    this.speed = 1; // Infinity for as fast as can be
    this.drawnAt = []; // times of the frames of the last second
  }

  get framesPerS() {
    return this.drawnAt.length;
  }

  play() {
    if (this.isPlaying) return;
    if (this.world.isOver) this.world.reset();
    this.isPlaying = true;
    this.time = performance.now();
    this.due = 0;
    requestAnimationFrame(() => this.animate());
  }

  pause() {
    this.isPlaying = false;
    this.drawnAt = [];
    this.onChange();
  }

  step() {
    if (this.world.isOver) this.world.reset();
    else this.world.step(this.actionOf());
    this.draw();
  }

  draw() {
    const { width, height } = this.generator.settings;
    const pixels = this.generator.frame(this.latents.values, this.world.state, this.label);
    this.context.putImageData(new ImageData(pixels, width, height), 0, 0);
    this.drawnAt.push(performance.now());
  }

  animate() {
    if (!this.isPlaying) return;
    const now = performance.now();
    const passed = Math.min((now - this.time) / 1000, LONGEST_S);
    this.time = now;
    this.due += Math.min(passed * STEPS_PER_S * this.speed, Number.MAX_VALUE);
    while (this.due >= 1 && !this.world.isOver && performance.now() - now < BUSY_MS) {
      this.due -= 1;
      this.step();
    }
    this.due = Math.min(this.due, this.speed); // what a slow computer does not reach is left out
    this.drawnAt = this.drawnAt.filter((time) => time > now - 1000);
    this.onChange();
    if (this.world.isOver) this.pause();
    else requestAnimationFrame(() => this.animate());
  }
}
