// models/dynamics/dream_batch.py and controls.py: a game of a dream, agent step by agent step.

import { RandomStream } from "./random_stream.js";
import { Trees } from "./tree_walk.js";

const NO_OP = -1; // ALE's, the action before an episode's first one

export class DreamGame {
  constructor(tables) {
    Object.assign(this, tables.settings.dream); // joysticks, shownJoysticks, directions, frameSkip, sticky, paddle
    this.isPlayable = true;
    this.trees = new Trees(tables);
    this.starts = tables.get("starts.states");
    this.startLives = tables.get("starts.lives");
    this.isSeen = tables.has("seen") ? tables.get("seen") : null;
    this.reset(0);
  }

  // Begins an episode; without a seed, the one that follows.
  reset(seed = null) {
    if (seed !== null) this.stream = new RandomStream(seed);
    const size = this.starts.length / this.startLives.length;
    const start = Math.floor(this.stream.uniform() * this.startLives.length);
    this.ram = this.starts.slice(start * size, (start + 1) * size);
    this.lives = this.startLives[start];
    this.resistance = this.paddle ? this.paddle.first : -1;
    this.lastAction = NO_OP;
    this.isOver = false;
    this.score = this.numSteps = 0;
  }

  // Plays an agent step, as DreamBatch.step; returns its reward.
  step(action) {
    const before = this.lastAction, chance = this.chanceToPersist();
    let reward = 0;
    for (let frame = 1; frame <= this.frameSkip && !this.isOver; frame++) {
      const persists = chance <= this.sticky ** frame;
      reward = Math.fround(reward + this.playFrame(persists ? before : action));
    }
    this.score += reward;
    this.numSteps += 1;
    return reward;
  }

  // The action before persists for frames to whose probability it is at most equal.
  chanceToPersist() {
    const isDrawn = this.sticky > 0 && this.sticky < 1;
    return isDrawn ? 1 - this.stream.uniform() : 1;
  }

  playFrame(action) {
    const next = this.trees.play(this.ram, this.inputs(action));
    this.ram = next.ram;
    this.lives = next.lives;
    this.isOver = next.isEnd;
    this.lastAction = action;
    return next.reward;
  }

  // The joystick, and the paddle's resistance before and after the frame.
  inputs(action) {
    const number = action === NO_OP ? this.joysticks.length - 1 : action;
    if (!this.paddle) return this.joysticks[number];
    const { step, least, most } = this.paddle;
    const before = this.resistance;
    this.resistance = Math.min(Math.max(before + step * this.directions[number], least), most);
    return [...this.joysticks[number], before, this.resistance];
  }

  // What a generator draws: RAM, with the joystick of the last frame if it reads the action.
  get state() {
    if (!this.shownJoysticks) return this.ram;
    const number = this.lastAction === NO_OP ? this.shownJoysticks.length - 1 : this.lastAction;
    return Uint8Array.of(...this.ram, this.shownJoysticks[number]);
  }

  // Goes on from other RAM, after no action; what follows RAM in a generator's state is left out.
  setRam(ram) {
    this.ram = ram.slice(0, this.ram.length);
    this.lastAction = NO_OP;
    this.isOver = false;
  }

  // Whether no real play reaches the RAM, as SeenStates.is_unseen.
  get isUnseen() {
    if (!this.isSeen) return false;
    return this.ram.some((value, address) => {
      const bit = 256 * address + value;
      return !((this.isSeen[bit >> 3] >> (7 - (bit & 7))) & 1); // the lowest value is the highest bit
    });
  }
}
