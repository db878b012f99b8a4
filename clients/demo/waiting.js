// @ts-check
// Messages that nobody has answered yet, kept over a reload. Each has an entry of its own, so that two windows of one
// user do not overwrite each other's; sending one from both is harmless, since the `cid` is the same.

/**
 * `to`: the other one of a direct conversation. `problem`: why the gateway did not take it; nobody repeats it then but the
 * user.
 * @typedef {{ cid: string, conv: string, to?: string, body: any, at: number, problem?: string }} WaitingMessage
 *
 * @typedef {{ length: number, key(at: number): string | null, getItem(key: string): string | null,
 *             setItem(key: string, value: string): void, removeItem(key: string): void }} Area
 */

/** The gateway knows a `cid` for 24 h: what is older could be stored a second time. */
const repeatMs = 23 * 3_600_000;

export class Waiting {
  /** @type {Map<string, WaitingMessage>} */ #items = new Map();

  /** @param {Area} area @param {string} user */
  constructor(area, user) {
    this.area = area;
    this.prefix = `apus.waiting.${user}.`;
    this.#load();
  }

  /** Oldest first. */
  get items() { return [...this.#items.values()].sort((a, b) => a.at - b.at); }

  /** @param {string} conv */
  of(conv) { return this.items.filter((item) => item.conv === conv); }

  /** @param {WaitingMessage} item */
  add(item) {
    const last = Math.max(0, ...this.items.map(({ at }) => at));
    this.#put({ ...item, at: Math.max(item.at, last + 1) }); // The clock may have gone back.
  }

  /** @param {string} cid @returns {WaitingMessage | undefined} */
  remove(cid) {
    const item = this.#items.get(cid);
    this.#items.delete(cid);
    this.#store(() => this.area.removeItem(this.prefix + cid));
    return item;
  }

  /** @param {string} cid @param {string} [problem] absent: it is tried again */
  mark(cid, problem) {
    const item = this.#items.get(cid);
    if (item) this.#put({ ...item, problem });
  }

  /** @param {WaitingMessage} item */
  #put(item) {
    this.#items.set(item.cid, item);
    this.#store(() => this.area.setItem(this.prefix + item.cid, JSON.stringify(item)));
  }

  #load() {
    const keys = Array.from({ length: this.area.length }, (_, at) => this.area.key(at) ?? '');
    for (const key of keys.filter((name) => name.startsWith(this.prefix))) {
      const item = parse(this.area.getItem(key));
      if (!item) this.#store(() => this.area.removeItem(key));
      else if (Date.now() - item.at <= repeatMs) this.#items.set(item.cid, item);
      else this.#items.set(item.cid, { ...item, problem: item.problem ?? 'It waited for too long.' });
    }
  }

  /** @param {() => void} change */
  #store(change) {
    try { change(); } catch { /* Full or forbidden: it is kept as long as the page is. */ }
  }
}

/** @param {string | null} text @returns {WaitingMessage | null} */
function parse(text) {
  try {
    const item = JSON.parse(text ?? '');
    return typeof item.cid === 'string' && typeof item.conv === 'string' && Number.isFinite(item.at) ? item : null;
  } catch {
    return null;
  }
}
