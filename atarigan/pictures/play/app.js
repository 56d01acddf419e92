// Connects the elements of page.html with a model.

import { Controls } from "./controls.js";
import { DrawnStates } from "./drawn_states.js";
import { DreamGame } from "./dream_game.js";
import { element } from "./elements.js";
import { Generator } from "./generator.js";
import { Latents } from "./latents.js";
import { LatentsPanel } from "./latents_panel.js";
import { MemoryPanel } from "./memory_panel.js";
import { Player } from "./player.js";

const find = (id) => document.getElementById(id);

export class App {
  constructor(tables) {
    this.settings = tables.settings;
    this.generator = new Generator(tables);
    this.latents = new Latents(tables.get("latent"), this.settings.distribution);
    this.world = this.settings.dream
      ? new DreamGame(tables)
      : new DrawnStates(this.generator, this.latents);
    this.controls = new Controls(this.settings.dream?.joysticks ?? [[0, 0, 0]], () => this.player.play());
    this.player = new Player(
      find("screen"), this.generator, this.world, this.latents,
      () => this.controls.action, () => this.show(),
    );
    this.addPanels();
    this.addClasses();
    this.listen();
    this.describe();
    this.player.draw();
    this.show();
  }

  addPanels() {
    const { bytes, networkLatents } = this.settings;
    find("memory").hidden = !bytes.length;
    if (bytes.length) {
      this.memory = new MemoryPanel(find("bytes"), bytes, (address, value) => this.setByte(address, value));
    }
    const names = Array.from(this.latents.values, (_, number) =>
      number < networkLatents ? `look ${number + 1}` : this.nameOfGroup(number - networkLatents));
    this.sliders = new LatentsPanel(find("sliders"), this.latents, names, (number, value) =>
      this.setLatent(number, value));
    find("latents").hidden = !names.length;
  }

  nameOfGroup(group) {
    const addresses = this.generator.prior.addresses(group);
    const shown = addresses.slice(0, 3).join(", ") + (addresses.length > 3 ? ", …" : "");
    return `byte${addresses.length > 1 ? "s" : ""} ${shown}`;
  }

  addClasses() {
    const classes = Array.from({ length: this.settings.numClasses }, (_, label) =>
      element("option", { value: label }, String(label)));
    find("class").append(...classes);
    find("class").parentElement.hidden = !classes.length;
  }

  listen() {
    const { player } = this;
    find("play").addEventListener("click", () => (player.isPlaying ? player.pause() : player.play()));
    find("step").addEventListener("click", () => this.stepOnce());
    find("reset").addEventListener("click", () => (this.world.isPlayable ? this.reset() : this.drawAnother()));
    find("seed").addEventListener("change", () => this.reset());
    find("undo").addEventListener("click", () => this.undo());
    find("speed").addEventListener("change", (event) => (player.speed = Number(event.target.value)));
    find("class").addEventListener("change", (event) => {
      player.label = Number(event.target.value);
      this.redraw();
    });
    addEventListener("keydown", (event) => this.onKey(event));
    addEventListener("click", blurButton);
    if (this.world.isPlayable) this.controls.listen(document.querySelectorAll("[data-hold]"));
  }

  onKey(event) {
    if (event.target.matches("input, select") || event.ctrlKey || event.metaKey) return;
    const buttons = { p: "play", r: "reset", n: "step" };
    if (event.key in buttons) find(buttons[event.key]).click();
  }

  stepOnce() {
    this.player.pause();
    this.player.step();
    this.show();
  }

  // Begins the game of the seed; drawn states take the next seed.
  reset() {
    const text = find("seed").value;
    const seed = /^\d+$/.test(text) ? BigInt(text) : 0n;
    this.world.reset(BigInt.asUintN(64, seed));
    this.kept = null;
    this.redraw();
  }

  drawAnother() {
    const text = find("seed").value;
    find("seed").value = /^\d+$/.test(text) ? BigInt(text) + 1n : 0;
    this.reset();
  }

  setByte(address, value) {
    this.beginEdit();
    const ram = this.world.ram.slice();
    ram[address] = value;
    this.world.setRam(ram);
    this.redraw();
  }

  setLatent(number, value) {
    this.beginEdit();
    this.latents.set(number, value);
    if (number >= this.settings.networkLatents) this.world.setRam(this.generator.state(this.latents.values));
    this.redraw();
  }

  // Keeps what undo brings back.
  beginEdit() {
    if (this.player.isPlaying) this.player.pause();
    this.kept ??= this.world.ram;
  }

  undo() {
    this.world.setRam(this.kept);
    this.redraw();
    this.kept = null;
    this.show();
  }

  redraw() {
    this.player.draw();
    this.show();
  }

  describe() {
    const { isPlayable } = this.world;
    document.body.classList.toggle("playable", isPlayable);
    find("about").textContent = isPlayable
      ? "A network draws every frame, and a learned model runs the game. There is no emulator."
      : "A network draws every frame. No model of this game has been learned yet, so it can be looked at, not played.";
    if (!isPlayable) find("reset").textContent = "Draw";
  }

  show() {
    const { player, world } = this;
    if (player.isPlaying) this.kept = null;
    find("play").textContent = player.isPlaying ? "Pause" : world.isPlayable ? "Play" : "Wander";
    find("score").value = world.score;
    find("lives").value = world.lives;
    this.hasLives ||= world.lives > 0;
    find("lives").closest("div").hidden = !this.hasLives;
    find("steps").value = world.numSteps;
    find("rate").value = player.isPlaying ? player.framesPerS : "–";
    find("undo").hidden = !this.kept;
    find("unseen").hidden = !world.isUnseen;
    find("message").textContent = this.message();
    if (world.ram) this.memory?.show(world.ram);
    this.sliders.show();
  }

  message() {
    const { player, world } = this;
    if (player.isPlaying || !world.isPlayable) return "";
    if (world.isOver) return `Game over: ${world.score}`;
    return world.numSteps || this.kept ? "" : "Press an arrow key, or tap Play";
  }
}

// Gives keys back to the game after a click on a button, which space would press again.
function blurButton(event) {
  if (event.detail) event.target.closest("button")?.blur();
}
