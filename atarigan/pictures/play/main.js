import { App } from "./app.js";
import { DreamGame } from "./dream_game.js";
import { Generator } from "./generator.js";
import { unpacked } from "./tables.js";

// What tests and the console of a browser use.
globalThis.atarigan = { DreamGame, Generator, unpacked };

async function start() {
  const tables = await unpacked(document.getElementById("model").textContent);
  globalThis.atarigan.app = new App(tables);
  document.body.classList.add("ready");
}

if (globalThis.document) start();
