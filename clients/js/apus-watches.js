// @ts-check
/**
 * The users whose presence an application wants to know: asked for again after every reconnect, because a watch ends with
 * its session, and told as `presence` events alone. Without sockets and timers of its own.
 */

import { ApusError } from './apus-decisions.js';

/**
 * `since`: of who is online, when the oldest session began. `last_seen`: of who is offline, if that is known. Milliseconds
 * since 1970.
 * @typedef {{ state: 'online' | 'offline', since?: number, last_seen?: number }} Presence
 *
 * @typedef {object} Wire
 * @property {() => boolean} isOpen whether the connection is open
 * @property {(op: string, users: string[], retry: boolean) => Promise<{ states: Record<string, Presence> }>} request
 *   `retry`: it waits for a connection, and is asked again when one breaks under it
 * @property {(event: { ev: 'presence', user: string } & Presence) => void} tell what nobody has told yet
 * @property {(error: unknown) => void} failed a reconnect could not be followed by what was watched
 */

/** Users in one request: what the gateway allows at most. */
const pageMax = 200;

export class Watches {
  /** @type {Wire} */ #wire;
  /** @type {Map<string, Presence | null>} Who is wanted, and what is known of them. */ #users = new Map();

  /** @param {Wire} wire */
  constructor(wire) { this.#wire = wire; }

  /** @param {string} user @returns {Presence | undefined} what is known of a watched user */
  state(user) { return this.#users.get(user) ?? undefined; }

  /**
   * @param {string[]} users
   * @returns {Promise<Record<string, Presence>>} their states; rejects when the gateway refuses, and then nobody new of them
   *   is watched
   */
  async add(users) {
    const fresh = users.filter((user) => !this.#users.has(user));
    for (const user of fresh) this.#users.set(user, null);
    try {
      return await this.#ask(users, true);
    } catch (error) {
      const refused = error instanceof ApusError && ['bad_request', 'too_large', 'forbidden'].includes(error.code);
      if (refused) for (const user of fresh) this.#users.delete(user);
      throw error;
    }
  }

  /** @param {string[]} users */
  async remove(users) {
    for (const user of users) this.#users.delete(user);
    // Without a connection there is nothing to end: only who is wanted is watched again.
    if (!this.#wire.isOpen()) return;
    for (const page of pages(users)) await this.#wire.request('presence.unwatch', page, false);
  }

  /** The connection is new, or events may have been dropped: asks for everybody, and tells what has changed. */
  async renew() {
    if (this.#users.size === 0) return;
    const before = new Map(this.#users);
    try {
      const states = await this.#ask([...this.#users.keys()], false);
      for (const [user, state] of Object.entries(states)) {
        const known = before.get(user);
        if (this.#users.has(user) && known && known.state !== state.state) {
          this.#wire.tell({ ev: 'presence', user, ...state });
        }
      }
    } catch (error) {
      this.#wire.failed(error);
    }
  }

  /** An event of the wire. @param {any} event */
  take({ user, state, since, last_seen }) {
    if (!this.#users.has(user)) return;
    this.#users.set(user, { state, ...(since && { since }), ...(last_seen && { last_seen }) });
  }

  /** @param {string[]} users @param {boolean} retry @returns {Promise<Record<string, Presence>>} */
  async #ask(users, retry) {
    /** @type {Record<string, Presence>} */ const all = {};
    for (const page of pages(users)) {
      const { states } = await this.#wire.request('presence.watch', page, retry);
      for (const [user, state] of Object.entries(states)) {
        all[user] = state;
        if (this.#users.has(user)) this.#users.set(user, state);
      }
    }
    return all;
  }
}

/** @param {string[]} users */
function* pages(users) {
  for (let at = 0; at < users.length; at += pageMax) yield users.slice(at, at + pageMax);
}
