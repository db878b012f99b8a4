// @ts-check
/**
 * Messages on their way. Each is kept until it is answered, and sent again with the same `cid` when the connection broke
 * under it or the gateway could not take it now: it is stored once. One message of a conversation is under way at a time,
 * so that none overtakes another which had to be repeated.
 */

import { ApusError, backoffMs, sendPolicy, times } from './apus-decisions.js';

/**
 * What `send` is given: `to` a user, or into `conv`.
 * @typedef {{ to?: string, conv?: string, cid: string, body: any }} Outgoing
 *
 * What the gateway answers. `dup`: this `cid` was stored before.
 * @typedef {{ conv: string, n: number, id: string, ts: number, dup?: true }} Receipt
 *
 * `firstSentAt`, `notBefore`: milliseconds since 1970. `busy`: a request is under way.
 * @typedef {{ message: Outgoing, firstSentAt: number, notBefore: number, busy: boolean, attempts: number, timer: any,
 *             answer: Promise<Receipt>, resolve: (receipt: Receipt) => void, reject: (error: Error) => void }} Entry
 *
 * What is needed of the connection. `lineOf` names what keeps its order.
 * @typedef {{ isOpen(): boolean, request(message: Outgoing): Promise<Receipt>, lineOf(message: Outgoing): string,
 *             random(): number }} Line
 */

export class Outbox {
  /** @type {Entry[]} In the order in which they were given. */ #entries = [];
  /** @type {Line} */ #line;

  /** @param {Line} line */
  constructor(line) {
    this.#line = line;
  }

  /** What is not answered yet, in its order. */
  get messages() { return this.#entries.map(({ message }) => message); }

  /**
   * @param {Outgoing} message
   * @returns {Promise<Receipt>} the same for a `cid` that is on its way already
   */
  send(message) {
    const known = this.#entries.find((entry) => entry.message.cid === message.cid);
    if (known) return known.answer;
    /** @type {any} */
    const entry = { message, firstSentAt: 0, notBefore: 0, busy: false, attempts: 0, timer: null };
    entry.answer = new Promise((resolve, reject) => Object.assign(entry, { resolve, reject }));
    this.#entries.push(entry);
    this.pump();
    return entry.answer;
  }

  /** Sends what may be sent now: the oldest of each conversation. */
  pump() {
    if (!this.#line.isOpen()) return;
    const lines = new Set();
    for (const entry of this.#entries) {
      const line = this.#line.lineOf(entry.message);
      if (!lines.has(line) && !entry.busy && Date.now() >= entry.notBefore) this.#attempt(entry);
      lines.add(line);
    }
  }

  /**
   * Nothing more will be sent.
   * @param {ApusError} error
   */
  fail(error) {
    for (const entry of [...this.#entries]) this.#settle(entry, error);
  }

  /** @param {Entry} entry */
  async #attempt(entry) {
    if (entry.firstSentAt && Date.now() - entry.firstSentAt > times.repeat) {
      const why = `message ${entry.message.cid} may have been stored, and is too old to be repeated`;
      return this.#settle(entry, new ApusError('timeout', why));
    }
    entry.busy = true;
    entry.firstSentAt ||= Date.now();
    entry.attempts += 1;
    try {
      this.#settle(entry, null, await this.#line.request(entry.message));
    } catch (error) {
      this.#failed(entry, error instanceof ApusError ? error : new ApusError('internal', String(error)));
    }
  }

  /** @param {Entry} entry @param {ApusError} error */
  #failed(entry, error) {
    entry.busy = false;
    const policy = sendPolicy(error.code);
    if (policy === 'refused') return this.#settle(entry, error);
    if (policy === 'wait' || !this.#entries.includes(entry)) return this.pump();
    const delayMs = error.retryMs ?? backoffMs(entry.attempts - 1, this.#line.random());
    entry.notBefore = Date.now() + delayMs;
    clearTimeout(entry.timer);
    entry.timer = setTimeout(() => this.pump(), delayMs);
  }

  /** @param {Entry} entry @param {ApusError | null} error @param {Receipt} [receipt] */
  #settle(entry, error, receipt) {
    const at = this.#entries.indexOf(entry);
    if (at < 0) return;
    this.#entries.splice(at, 1);
    clearTimeout(entry.timer);
    if (error) entry.reject(error);
    else entry.resolve(/** @type {Receipt} */ (receipt));
    this.pump();
  }
}
