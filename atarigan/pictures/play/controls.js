// Keys and buttons that are held, as the number of an action.

const KEYS = {
  ArrowUp: "up", ArrowDown: "down", ArrowLeft: "left", ArrowRight: "right",
  KeyW: "up", KeyS: "down", KeyA: "left", KeyD: "right", Space: "fire",
};

export class Controls {
  // joysticks: direction across, along, and the button of each action, then of the no-op.
  constructor(joysticks, onPress) {
    this.held = new Set();
    this.onPress = onPress;
    this.numberOf = new Map();
    joysticks.slice(0, -1).forEach((joystick, number) => {
      if (!this.numberOf.has(String(joystick))) this.numberOf.set(String(joystick), number);
    });
    this.isAcross = joysticks.every(([, along]) => along === 0);
  }

  listen(buttons) {
    addEventListener("keydown", (event) => this.onKey(event, true));
    addEventListener("keyup", (event) => this.onKey(event, false));
    addEventListener("blur", () => this.held.clear());
    for (const button of buttons) this.listenTo(button);
  }

  onKey(event, isDown) {
    const name = KEYS[event.code];
    if (!name || event.ctrlKey || event.metaKey || event.altKey) return;
    if (isDown && event.target.matches("input, select, summary, button:focus-visible")) return;
    event.preventDefault();
    this.hold(name, isDown);
  }

  listenTo(button) {
    const names = button.dataset.hold.split(" ");
    const hold = (isDown) => (event) => {
      event.preventDefault();
      for (const name of names) this.hold(name, isDown);
    };
    button.addEventListener("pointerdown", hold(true));
    for (const kind of ["pointerup", "pointercancel", "pointerleave"]) {
      button.addEventListener(kind, hold(false));
    }
    button.addEventListener("contextmenu", (event) => event.preventDefault());
  }

  hold(name, isDown) {
    if (!isDown) return void this.held.delete(name);
    this.held.add(name);
    this.onPress();
  }

  // The action of what is held, or else of a part of it. In a game without up and down, up is
  // right, as for the paddles of Pong.
  get action() {
    const side = (more, less) => this.held.has(more) - this.held.has(less);
    const along = side("up", "down");
    const across = side("right", "left") || (this.isAcross ? along : 0);
    const fire = +this.held.has("fire");
    const wanted = [
      [across, along, fire], [across, 0, fire], [0, along, fire],
      [across, along, 0], [across, 0, 0], [0, along, 0], [0, 0, fire], [0, 0, 0],
    ];
    const found = wanted.map((each) => this.numberOf.get(String(each)));
    return found.find((number) => number !== undefined) ?? 0;
  }
}
