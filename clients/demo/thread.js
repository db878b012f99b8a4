// @ts-check
// The messages of one conversation as far as they are loaded, and how events change them. Decides only.

import { edited, messageOf, recalled } from './conversations.js';

/**
 * @typedef {import('../js/apus.js').Message} Message
 *
 * What of apus.js is needed here.
 * @typedef {{ history(query: object): Promise<{ messages: Message[], more: boolean }> }} Reader
 *
 * A change of the group that happened while this page was open; it stands after message `after`.
 * @typedef {{ after: number, event: any }} Note
 */

const pageSize = 40;
/** Pages that are read to catch up; with more missing, the newest page is as good. */
const caughtUpPages = 5;
/** The largest page of the protocol. */
const caughtUpPage = 200;

/** Ascending, without holes; older ones are loaded on demand. */
export class Thread {
  /** @type {Message[]} */ messages = [];
  /** @type {Note[]} */ notes = [];
  /** Whether there are older ones. */ more = true;
  loaded = false;
  /** How far the user had read when the thread was opened: what came after is new. */ readN = 0;
  /** Up to which the user has been taken to have seen it since then. */ seenN = 0;
  /** @type {any[] | null} events since the page under way was asked for */ #since = null;

  /** @param {string} conv */
  constructor(conv) {
    this.conv = conv;
  }

  /** What is here is not to be trusted: it is read afresh. */
  forget() {
    Object.assign(this, { messages: [], notes: [], more: true, loaded: false, seenN: 0 });
    this.#since = null;
  }

  get loading() { return this.#since !== null; }
  get newest() { return this.messages[this.messages.length - 1]?.n ?? 0; }

  /**
   * Reads the newest page in place of what is there.
   * @param {Reader} reader
   */
  load(reader) {
    return this.#reading(reader, { limit: pageSize }, ({ messages, more }) => {
      this.messages = messages;
      this.more = more;
      this.loaded = true;
    });
  }

  /**
   * Reads the page before what is there.
   * @param {Reader} reader
   */
  older(reader) {
    if (!this.loaded || !this.more || this.loading) return Promise.resolve();
    const before = this.messages[0]?.n;
    return this.#reading(reader, { before, limit: pageSize }, ({ messages, more }) => {
      this.messages = [...messages.filter(({ n }) => n < (before ?? Infinity)), ...this.messages];
      this.more = more;
    });
  }

  /**
   * Reads what came after what is there.
   * @param {Reader} reader
   */
  async catchUp(reader) {
    if (!this.loaded || this.messages.length === 0) return this.load(reader);
    for (let n = 0, more = true; more; n += 1) {
      if (n === caughtUpPages) return this.load(reader);
      more = false; // Unless the page is taken, and says so: another one may have been asked for since.
      await this.#reading(reader, { after: this.newest, limit: caughtUpPage }, (page) => {
        for (const message of page.messages) if (message.n > this.newest) this.messages.push(message);
        more = page.more && page.messages.length > 0;
      });
    }
  }

  /**
   * @param {any} event of this conversation
   * @returns {boolean} whether messages before it are missing: catch up
   */
  take(event) {
    this.#since?.push(event);
    return this.#apply(event);
  }

  /** @param {number} n */
  find(n) { return this.messages.find((message) => message.n === n); }

  /**
   * The newest one of `user` that can still be edited.
   * @param {string} user
   */
  lastOf(user) {
    return [...this.messages].reverse().find(({ from, recalled: isGone }) => from === user && !isGone);
  }

  /**
   * @param {Reader} reader
   * @param {object} query
   * @param {(page: { messages: Message[], more: boolean }) => void} take
   */
  async #reading(reader, query, take) {
    /** @type {any[]} */ const since = this.#since = [];
    try {
      const page = await reader.history({ conv: this.conv, ...query });
      if (this.#since !== since) return;
      take(page);
      for (const event of since) this.#apply(event);
    } finally {
      if (this.#since === since) this.#since = null;
    }
  }

  /** @param {any} event */
  #apply(event) {
    if (event.ev === 'group') {
      const isKnown = this.notes.some((note) => note.event.id === event.id);
      if (!isKnown) this.notes.push({ after: this.newest, event });
      return false;
    }
    if (event.ev === 'message') return this.#message(event);
    const at = this.messages.findIndex(({ n }) => n === event.n);
    if (at < 0) return false;
    switch (event.ev) {
      case 'message.edited': this.messages[at] = edited(this.messages[at], event); break;
      case 'message.recalled': this.messages[at] = recalled(this.messages[at]); break;
      case 'reaction': this.messages[at] = reacted(this.messages[at], event); break;
    }
    return false;
  }

  /** @param {any} event */
  #message(event) {
    // Before the first page is there, the page will have it.
    if (!this.loaded || event.n <= this.newest) return false;
    if (event.n > this.newest + 1 && this.messages.length > 0) return true;
    this.messages.push(messageOf(event));
    return false;
  }
}

/** @param {Message} message @param {any} event @returns {Message} */
function reacted(message, { key, user, on }) {
  const users = message.reactions?.[key] ?? [];
  if (message.recalled || users.includes(user) === on) return message;
  const now = on ? [...users, user] : users.filter((other) => other !== user);
  const { [key]: _, ...others } = message.reactions ?? {};
  if (now.length === 0) return { ...message, reactions: others };
  return { ...message, reactions: { ...message.reactions, [key]: now } };
}
