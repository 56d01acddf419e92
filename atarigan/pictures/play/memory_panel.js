// The bytes of RAM that vary: shows them, and lets them be changed.

import { element, slider } from "./elements.js";

export class MemoryPanel {
  // bytes: address, least, most, pixels and moves of each, as models/web_pages/shown_bytes.py.
  constructor(place, bytes, onChange) {
    this.onChange = onChange;
    this.ram = new Uint8Array(0);
    this.inputs = new Map();
    this.slider = slider(0, 255, 1, (value) => this.onChange(this.chosen.address, value));
    this.name = element("output");
    const visible = bytes.filter((each) => each.pixels > 0);
    const others = bytes.filter((each) => each.pixels === 0);
    place.append(
      element("div", { className: "chosen" }, this.name, this.slider),
      this.grid(visible),
    );
    if (others.length) place.append(this.rest(others));
    this.choose(bytes[0]);
  }

  grid(bytes) {
    return element("div", { className: "bytes" }, ...bytes.map((each) => this.cell(each)));
  }

  rest(bytes) {
    const title = element("summary", {}, `${bytes.length} that change no pixel`);
    return element("details", {}, title, this.grid(bytes));
  }

  cell(byte) {
    const input = element("input", { type: "number", min: 0, max: 255, inputMode: "numeric" });
    input.addEventListener("focus", () => this.choose(byte));
    input.addEventListener("input", () => {
      const value = input.valueAsNumber;
      if (value >= 0 && value <= 255) this.onChange(byte.address, Math.floor(value));
    });
    this.inputs.set(byte.address, input);
    const name = element("span", {}, String(byte.address), element("i", { className: byte.moves }));
    return element("label", {}, name, input);
  }

  choose(byte) {
    this.chosen = byte;
    Object.assign(this.slider, { min: byte.least, max: byte.most });
    for (const [address, input] of this.inputs) {
      input.parentElement.classList.toggle("chosen", address === byte.address);
    }
    this.showChosen();
  }

  show(ram) {
    const isFirst = !this.ram.length;
    for (const [address, input] of this.inputs) {
      const hasChanged = ram[address] !== this.ram[address];
      if (hasChanged && input !== document.activeElement) input.value = ram[address];
      input.parentElement.classList.toggle("changed", hasChanged && !isFirst);
    }
    this.ram = ram.slice();
    this.showChosen();
  }

  showChosen() {
    const { address } = this.chosen, value = this.ram[address] ?? 0;
    this.name.value = `byte ${address} = ${value}`;
    this.slider.value = value;
    this.slider.ariaLabel = `value of byte ${address}`;
  }
}
