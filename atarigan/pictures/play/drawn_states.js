// What a page shows without a dream: states that the generator draws. Nobody can play them.

import { RandomStream } from "./random_stream.js";

export class DrawnStates {
  constructor(generator, latents) {
    this.isPlayable = this.isOver = this.isUnseen = false;
    this.score = this.lives = 0;
    this.generator = generator;
    this.latents = latents;
    this.reset(0);
  }

  reset(seed = null) {
    if (seed !== null) this.stream = new RandomStream(seed);
    this.latents.draw(this.stream);
    this.numSteps = 0;
    this.readLatents();
  }

  step() {
    this.latents.walk(this.stream);
    this.numSteps += 1;
    this.readLatents();
  }

  readLatents() {
    this.ram = this.generator.readsRam ? this.generator.state(this.latents.values) : null;
  }

  get state() {
    return this.ram;
  }

  setRam(ram) {
    this.ram = ram;
  }
}
