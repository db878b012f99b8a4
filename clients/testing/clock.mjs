// @ts-check
// Time that passes when a test says so: `setTimeout`, `clearTimeout` and `Date.now` of this process. That of node:test
// cannot do dates in Node.js 18. `setImmediate` stays real: it is how a test lets everything happen that needs no time.

const real = { setTimeout: globalThis.setTimeout, clearTimeout: globalThis.clearTimeout, now: Date.now };

/** More timers than this in one step are a loop. */
const tooMany = 1000;

export class Clock {
  /** @type {Map<object, { at: number, run: () => void }>} In the order in which they were set. */ #timers = new Map();
  #now = 0;

  /** Takes the place of the real time. @param {number} now milliseconds since 1970 */
  start(now) {
    this.#now = now;
    this.#timers.clear();
    Date.now = () => this.#now;
    /** @type {any} */ (globalThis).setTimeout = (/** @type {() => void} */ run, ms = 0) => {
      const handle = {};
      const delay = ms > 0 && ms < 2 ** 31 ? ms : 0; // As the real one: what it cannot hold is over at once.
      this.#timers.set(handle, { at: this.#now + delay, run });
      return handle;
    };
    /** @type {any} */ (globalThis).clearTimeout = (/** @type {any} */ handle) => { this.#timers.delete(handle); };
  }

  /** Gives the real time back. */
  stop() {
    globalThis.setTimeout = real.setTimeout;
    globalThis.clearTimeout = real.clearTimeout;
    Date.now = real.now;
  }

  /**
   * Time that passed while the machine slept: no timer has run.
   * @param {number} ms
   */
  leap(ms) { this.#now += ms; }

  /**
   * Lets time pass: what falls due runs in order, each at its own time, and what it sets off happens before the next.
   * @param {number} ms
   */
  async pass(ms) {
    const end = this.#now + ms;
    for (let n = 0; ; n += 1) {
      if (n > tooMany) throw new Error(`${tooMany} timers within ${ms} ms`);
      const [next] = [...this.#timers].filter(([, { at }]) => at <= end).sort(([, a], [, b]) => a.at - b.at);
      if (!next) break;
      const [handle, { at, run }] = next;
      this.#timers.delete(handle);
      this.#now = at;
      run();
      await calm();
    }
    this.#now = end;
  }
}

/** Lets everything happen that needs no time to pass. */
export async function calm() {
  for (let turn = 0; turn < 5; turn += 1) await new Promise((resolve) => { setImmediate(resolve); });
}
