// @ts-check
// Holds the models of conversations together: takes events in, asks the gateway, keeps what is unsent. What is shown is
// not decided here.

import { ApusError, newClientID } from '/apus.js';
import { Conversations } from '/conversations.js';
import { newDirect, partnerIn } from '/people.js';
import { Thread } from '/thread.js';
import { Waiting } from '/waiting.js';

/**
 * @typedef {import('../js/apus.js').Apus} Apus
 * @typedef {import('../js/apus.js').Conversation} Conversation
 *
 * Who is told. `arrived`: a message of somebody else came just now.
 * @typedef {{ changed(): void, arrived(event: any): void, problem(text: string, error: unknown): void }} Listener
 */

/** In groups of more members nobody is told how far somebody is. */
const receiptMembersMax = 32;
/** Messages come in bunches: one receipt tells of all. */
const receiptMs = 200;
/** How long after an event the counts are compared with the gateway's total. */
const calmMs = 400;
/** After a failure nothing is asked for again by itself before. */
const againMs = 3000;
/** How often the others are told that somebody types. */
const typingMs = 4000;

export class Messenger {
  /** @type {Map<string, Thread>} those that were opened */ #threads = new Map();
  /** @type {Set<string>} `cid`s that are with apus.js */ #sending = new Set();
  /** @type {Map<string, boolean>} conversations being read afresh, and whether to do it again */ #refreshing = new Map();
  /** @type {Map<string, number>} cursors that the gateway has not confirmed */ #reads = new Map();
  /** @type {Map<string, number>} receipts to be sent */ #receipts = new Map();
  /** @type {Map<string, any>} */ #timers = new Map();
  /** @type {{ conv: string, at: number } | null} what the others were told last */ #typing = null;
  /** Older messages are not asked for before; milliseconds since 1970. */ #olderFrom = 0;
  /** The position at which the list was last read because the counts were off: not again at the same. */ #checkedAt = -1;

  /** @param {Apus} apus @param {string} me @param {Storage} area @param {Listener} listener */
  constructor(apus, me, area, listener) {
    this.apus = apus;
    this.me = me;
    this.listener = listener;
    this.list = new Conversations(me);
    this.waiting = new Waiting(area, me);
    apus.on('welcome', ({ resumed }) => this.#welcomed(resumed === true));
    apus.on('event', (event, { missed }) => this.#take(event, missed));
    apus.on('unread', () => this.#checkSoon());
  }

  /** @param {string} conv @returns {Conversation | null} null: there is none, or not for this user */
  chat(conv) {
    const partner = partnerIn(conv);
    return this.list.get(conv) ?? (partner ? newDirect(partner) : null);
  }

  /** All to be shown, those with nothing but unsent messages first. */
  chats() {
    const unsent = new Set(this.waiting.items.map(({ conv }) => conv));
    const drafts = [...unsent].filter((conv) => !this.list.get(conv) && partnerIn(conv)).map((conv) => this.chat(conv));
    return [.../** @type {Conversation[]} */ (drafts), ...this.list.list()];
  }

  /**
   * The thread of a conversation, read when it is opened for the first time.
   * @param {string} conv
   */
  open(conv) {
    let thread = this.#threads.get(conv);
    if (!thread) {
      this.#threads.set(conv, thread = new Thread(conv));
      this.#read(thread.load(this.apus));
    }
    thread.readN = this.list.get(conv)?.read_n ?? 0;
    thread.seenN = 0;
    return thread;
  }

  /**
   * The thread of a conversation, if it was opened.
   * @param {string} conv
   */
  thread(conv) { return this.#threads.get(conv); }

  /** @param {Thread} thread */
  async loadOlder(thread) {
    const isAway = this.apus.state.state !== 'open' || Date.now() < this.#olderFrom;
    if (isAway || !thread.loaded || !thread.more || thread.loading) return;
    this.#olderFrom = Date.now() + againMs; // Scrolling asks again and again: also after a failure not at once.
    await this.#read(thread.older(this.apus).then(() => { this.#olderFrom = 0; }));
  }

  loadMoreChats() { return this.#read(this.list.load(this.apus, { more: true })); }

  // Doing -------------------------------------------------------------------------------------------------------------

  /** @param {Conversation} chat @param {string} text */
  send(chat, text) {
    const to = partnerIn(chat.conv) ?? undefined;
    const thread = this.#threads.get(chat.conv);
    if (thread) thread.readN = 0; // Whoever answers has seen what was new.
    this.waiting.add({ cid: newClientID(), conv: chat.conv, to, body: { text }, at: Date.now() });
    this.typing(chat.conv, false);
    this.#sendWaiting();
    this.listener.changed();
  }

  /** @param {string} cid of one that was refused */
  resend(cid) {
    this.waiting.mark(cid);
    this.#sendWaiting();
    this.listener.changed();
  }

  /** @param {string} cid */
  discard(cid) {
    this.waiting.remove(cid);
    this.listener.changed();
  }

  /**
   * Everything of a conversation that is here has been seen.
   * @param {string} conv
   */
  seen(conv) {
    const chat = this.list.get(conv);
    const thread = this.#threads.get(conv);
    const n = thread?.newest ?? 0;
    // Once only: a cursor that was put back since ("mark as unread") stays there.
    if (!chat || !thread?.loaded || n <= chat.read_n || n <= thread.seenN) return;
    thread.seenN = n;
    this.list.markRead(conv, n);
    this.#reads.set(conv, n);
    this.#sendRead(conv, n);
    this.listener.changed();
  }

  /** @param {Conversation} chat */
  markUnread(chat) {
    const n = Math.max(0, (chat.last?.n ?? 0) - 1);
    this.#reads.delete(chat.conv);
    return this.attempt('Not marked as unread', () => this.apus.read({ conv: chat.conv, n, force: true }));
  }

  /** @param {string} user @param {boolean} on as the gateway has just said; its event says so again */
  setBlocked(user, on) { this.list.take({ ev: 'block', user, on }); }

  /**
   * Tells the others, and not at each key.
   * @param {string} conv
   * @param {boolean} on
   */
  typing(conv, on) {
    const isSaid = this.#typing?.conv === conv;
    if (on ? isSaid && Date.now() - (this.#typing?.at ?? 0) < typingMs : !isSaid) return;
    this.#typing = on ? { conv, at: Date.now() } : null;
    this.apus.typing({ conv, on }).catch(() => {}); // Whoever is not told sees the message itself.
  }

  /**
   * Asks for something that an event will tell of, and says so when it failed.
   * @template T
   * @param {string} what went wrong then
   * @param {() => Promise<T>} act
   * @returns {Promise<T | null>} null: it failed
   */
  async attempt(what, act) {
    try {
      return await act();
    } catch (error) {
      this.listener.problem(what, error);
      return null;
    } finally {
      this.listener.changed();
    }
  }

  /** @param {string} title @param {string[]} members @returns {Promise<string | null>} the new conversation */
  async createGroup(title, members) {
    const cid = newClientID();
    const chat = await this.attempt('The group was not made', () => (
      this.apus.createGroup({ title: title || undefined, members, cid })));
    if (!chat) return null;
    if (!this.list.get(chat.conv)) this.list.put(chat, { first: true });
    return chat.conv;
  }

  // What comes in -----------------------------------------------------------------------------------------------------

  /** @param {boolean} resumed */
  #welcomed(resumed) {
    for (const [conv, thread] of this.#threads) thread.readN = this.list.get(conv)?.read_n ?? thread.readN;
    if (!resumed) this.#forget(); // What is here is not to be trusted.
    // Of large groups no resume tells.
    const isStale = !resumed || this.list.hasLargeGroups;
    if (isStale || !this.list.loaded) {
      this.#read(this.list.load(this.apus).then(() => {
        for (const [conv, thread] of this.#threads) thread.readN ||= this.list.get(conv)?.read_n ?? 0;
        this.#acknowledgeAll();
      }));
    }
    for (const thread of this.#threads.values()) {
      if (isStale || !thread.loaded) this.#read(thread.catchUp(this.apus));
    }
    for (const [conv, n] of this.#reads) this.#sendRead(conv, n);
    this.#sendWaiting();
  }

  #forget() {
    this.list.forget();
    for (const thread of this.#threads.values()) thread.forget();
  }

  /** @param {any} event @param {boolean} missed */
  #take(event, missed) {
    if (event.conv === undefined && event.ev !== 'block') return;
    if (event.ev === 'message' && event.cid) this.waiting.remove(event.cid);
    const isAmiss = this.list.take(event);
    if (this.#refreshing.has(event.conv)) this.#refreshing.set(event.conv, true);
    if (isAmiss) this.#refresh(isAmiss);
    const thread = this.#threads.get(event.conv);
    if (thread && event.ev === 'conversation.reset') this.#read(thread.load(this.apus));
    else if (thread?.take(event)) this.#read(thread.catchUp(this.apus));
    if (event.ev === 'message' && event.from !== this.me) {
      this.#acknowledge(event.conv, event.n);
      if (!missed) this.listener.arrived(event);
    }
    if (event.ev === 'typing' && event.on) this.#later('typists', 7100, () => this.listener.changed());
    this.#checkSoon();
    this.listener.changed();
  }

  /** @param {string} conv */
  async #refresh(conv) {
    if (this.#refreshing.has(conv)) return;
    do {
      this.#refreshing.set(conv, false);
      await this.#read(this.list.refresh(this.apus, conv));
    } while (this.#refreshing.get(conv));
    this.#refreshing.delete(conv);
  }

  // What goes out -----------------------------------------------------------------------------------------------------

  /** Gives apus.js what it does not have yet; it keeps the order and repeats over reconnects. */
  #sendWaiting() {
    for (const item of this.waiting.items) {
      if (!item.problem && !this.#sending.has(item.cid)) this.#send(item);
    }
  }

  /** @param {import('./waiting.js').WaitingMessage} item */
  async #send({ cid, conv, to, body }) {
    this.#sending.add(cid);
    try {
      const receipt = await this.apus.send({ cid, body, ...(to ? { to } : { conv }) });
      this.#take({ ev: 'message', from: this.me, cid, body, ...receipt }, true);
    } catch (error) {
      // Without a connection for good it stays here, and goes with the next one.
      const isOver = error instanceof ApusError && ['closed', 'not_connected'].includes(error.code);
      if (!isOver) this.waiting.mark(cid, error instanceof Error ? error.message : String(error));
    } finally {
      this.#sending.delete(cid);
      this.listener.changed();
    }
  }

  /** @param {string} conv @param {number} n */
  #sendRead(conv, n) {
    this.apus.read({ conv, n }).then(
      () => { if (this.#reads.get(conv) === n) this.#reads.delete(conv); },
      (error) => { if (error.code === 'not_found') this.#reads.delete(conv); }); // Else the next connection tells it.
  }

  /** @param {string} conv @param {number} n */
  #acknowledge(conv, n) {
    if ((this.list.get(conv)?.member_count ?? 0) > receiptMembersMax) return; // Nobody is told there.
    this.#receipts.set(conv, Math.max(n, this.#receipts.get(conv) ?? 0));
    this.#later('receipts', receiptMs, () => {
      for (const [id, upTo] of this.#receipts) this.apus.delivered({ conv: id, n: upTo }).catch(() => {});
      this.#receipts.clear();
    });
  }

  #acknowledgeAll() {
    for (const { conv, unread, last } of this.list.list()) if (unread > 0 && last) this.#acknowledge(conv, last.n);
  }

  // Small things ------------------------------------------------------------------------------------------------------

  /** @param {Promise<any>} reading */
  async #read(reading) {
    this.listener.changed();
    await reading.catch((error) => {
      if (!['closed', 'not_connected'].includes(error.code)) this.listener.problem('Messages could not be read', error);
    });
    this.listener.changed();
  }

  #checkSoon() {
    this.#later('check', calmMs, () => {
      const seq = this.apus.position?.seq ?? 0;
      const isOff = this.list.isOff(this.apus.unread?.messages ?? 0) && this.#reads.size === 0;
      if (!isOff || this.#checkedAt === seq || this.apus.state.state !== 'open') return;
      this.#checkedAt = seq;
      this.#read(this.list.load(this.apus));
    });
  }

  /** @param {string} name @param {number} ms @param {() => void} act */
  #later(name, ms, act) {
    clearTimeout(this.#timers.get(name));
    this.#timers.set(name, setTimeout(act, ms));
  }
}
