// @ts-check
// What the list of conversations holds, and how events change it. Decides only: no elements, no sockets.

/**
 * @typedef {import('../js/apus.js').Conversation} Conversation
 * @typedef {import('../js/apus.js').Message} Message
 *
 * What of apus.js is needed here.
 * @typedef {{ conversations(query: object): Promise<{ conversations: Conversation[], cursor: string | null }> }} Reader
 */

const pageSize = 30;
/** Pages that are looked through for one conversation. */
const searchedPages = 10;
/** The largest page of the protocol. */
const searchedPage = 200;
/** Members up to which a group's messages stand in timelines, and its unread ones in the totals. */
const largeGroup = 500;
/** Whoever types says so again after less than this. */
const typingMs = 7000;

/** @param {any} event of a message @returns {Message} */
export function messageOf({ n, id, ts, from, cid, body, recalled }) {
  return { n, id, ts, from, ...(cid ? { cid } : {}), ...(recalled ? { recalled } : { body }) };
}

/** Newest activity first; kept up to date by events. */
export class Conversations {
  /** @type {Map<string, Conversation>} */ #all = new Map();
  /** @type {string[]} newest activity first */ #order = [];
  /** @type {string | null} where the next page begins; null: all of it is here */ cursor = null;
  loaded = false;
  /** @type {any[] | null} events since the page under way was asked for */ #since = null;
  /** @type {Map<string, Map<string, number>>} who types until when, by conversation */ #typing = new Map();

  /** @param {string} me */
  constructor(me) {
    this.me = me;
  }

  get loading() { return this.#since !== null; }

  /** @param {string} conv */
  get(conv) { return this.#all.get(conv); }

  list() { return this.#order.map((conv) => /** @type {Conversation} */ (this.#all.get(conv))); }

  /** Whether there are groups whose messages come without a place in the timeline, so that an absence hides them. */
  get hasLargeGroups() { return this.list().some((chat) => (chat.member_count ?? 0) > largeGroup); }

  /** Forgets everything: it is read afresh. */
  forget() {
    this.#all.clear();
    this.#order = [];
    this.cursor = null;
    this.loaded = false;
    this.#since = null;
  }

  /**
   * Loads the first page in place of what is there, or the next one.
   * @param {Reader} reader
   * @param {{ more?: boolean }} [how]
   */
  async load(reader, how = {}) {
    /** @type {any[]} */ const since = this.#since = [];
    try {
      const page = await reader.conversations({ limit: pageSize, cursor: how.more ? this.cursor : undefined });
      if (this.#since !== since) return; // It was asked for again since: this one is of no use.
      if (!how.more) {
        this.#all.clear();
        this.#order = [];
      }
      for (const chat of page.conversations) this.put(chat);
      this.cursor = page.cursor;
      this.loaded = true;
      for (const event of since) this.#apply(event);
    } finally {
      if (this.#since === since) this.#since = null;
    }
  }

  /**
   * Reads one conversation afresh: the protocol has no question for it alone, so pages are looked through.
   * @param {Reader} reader
   * @param {string} conv
   */
  async refresh(reader, conv) {
    /** @type {string | null} */ let cursor = null;
    for (let n = 0; n < searchedPages; n += 1) {
      /** @type {Awaited<ReturnType<Reader['conversations']>>} */
      const page = await reader.conversations({ limit: n === 0 ? pageSize : searchedPage, cursor });
      const found = page.conversations.find((chat) => chat.conv === conv);
      if (found) return this.put(found, { first: !this.#all.has(conv) });
      cursor = page.cursor;
      if (!cursor) break;
    }
    this.#remove(conv);
  }

  /**
   * @param {Conversation} chat as the gateway gave it
   * @param {{ first?: boolean }} [how] `first`: it just became active
   */
  put(chat, how = {}) {
    if (!this.#all.has(chat.conv)) this.#order.push(chat.conv);
    this.#all.set(chat.conv, chat);
    if (how.first) this.#touch(chat.conv);
  }

  /**
   * @param {any} event
   * @returns {string | null} a conversation that has to be read afresh
   */
  take(event) {
    this.#since?.push(event);
    return this.#apply(event);
  }

  /**
   * The user's own cursor was moved here, and the gateway will be told.
   * @param {string} conv
   * @param {number} n
   */
  markRead(conv, n) {
    const chat = this.#all.get(conv);
    if (chat && n > chat.read_n) Object.assign(chat, { read_n: n, unread: 0 });
  }

  /** @param {number} total @returns {boolean} whether the counts cannot all be right */
  isOff(total) {
    if (!this.loaded || this.loading || this.cursor) return false;
    const counted = this.list().filter((chat) => !chat.muted && (chat.member_count ?? 0) <= largeGroup);
    return counted.reduce((sum, { unread }) => sum + unread, 0) !== total;
  }

  /** @param {string} conv @param {number} [now] @returns {string[]} who types there */
  typists(conv, now = Date.now()) {
    return [...this.#typing.get(conv) ?? []].filter(([, until]) => until > now).map(([user]) => user);
  }

  /** @param {any} event @returns {string | null} */
  #apply(event) {
    const chat = this.#all.get(event.conv);
    switch (event.ev) {
      case 'typing': this.#setTyping(event.conv, event.user, event.on); return null;
      case 'message': return chat ? this.#message(chat, event) : event.conv;
      case 'conversation.reset': return event.conv;
      case 'group': return this.#group(chat, event);
      case 'block': this.#block(event); return null;
    }
    if (!chat) return null;
    switch (event.ev) {
      case 'message.edited': if (chat.last && chat.last.n === event.n) chat.last = edited(chat.last, event); break;
      case 'message.recalled': if (chat.last && chat.last.n === event.n) chat.last = recalled(chat.last); break;
      case 'read': this.#read(chat, event); break;
      case 'delivered': {
        const other = this.#progress(chat, event.user);
        other.delivered_n = Math.max(other.delivered_n, event.n);
        break;
      }
      case 'mute': chat.muted = event.on; break;
    }
    return null;
  }

  /** @param {Conversation} chat @param {any} event */
  #message(chat, event) {
    this.#setTyping(chat.conv, event.from, false);
    if (event.n <= (chat.last?.n ?? 0)) return null; // The page that was read has it already.
    chat.last = messageOf(event);
    if (event.from !== this.me && event.n > chat.read_n) chat.unread += 1;
    this.#touch(chat.conv);
    return null;
  }

  /** @param {Conversation} chat @param {any} event */
  #read(chat, { user, n, conv_unread: unread }) {
    if (user !== this.me) {
      this.#progress(chat, user).read_n = n;
    } else if (n !== chat.read_n) { // Else the page that was read has counted it, and perhaps what came after it.
      Object.assign(chat, { read_n: n, unread: unread ?? chat.unread });
    }
  }

  /** @param {Conversation | undefined} chat @param {any} event */
  #group(chat, { conv, change, title, users, by }) {
    const concernsMe = users.includes(this.me) || (change === 'left' && by === this.me);
    if (concernsMe && (change === 'removed' || change === 'left')) {
      this.#remove(conv);
      return null;
    }
    if (!chat || change === 'created') return conv;
    if (title !== undefined) chat.title = title;
    if (change === 'added') {
      const added = users.filter((/** @type {string} */ user) => !chat.members.includes(user));
      chat.members = [...chat.members, ...added];
    }
    if (change === 'removed' || change === 'left') {
      chat.members = chat.members.filter((user) => !users.includes(user));
      chat.others = chat.others.filter(({ user }) => !users.includes(user));
    }
    return change === 'updated' ? null : conv; // Who owns it now, and how many there are, only the gateway knows.
  }

  /** @param {any} event */
  #block({ user, on }) {
    for (const chat of this.#all.values()) {
      if (chat.kind === 'direct' && chat.members.includes(user)) chat.blocked = on;
    }
  }

  /** @param {Conversation} chat @param {string} user */
  #progress(chat, user) {
    let other = chat.others.find((one) => one.user === user);
    if (!other) chat.others.push(other = { user, read_n: 0, delivered_n: 0 });
    return other;
  }

  /** @param {string} conv @param {string} user @param {boolean} on */
  #setTyping(conv, user, on) {
    const typists = this.#typing.get(conv) ?? new Map();
    this.#typing.set(conv, typists);
    if (on) typists.set(user, Date.now() + typingMs);
    else typists.delete(user);
  }

  /** @param {string} conv */
  #touch(conv) { this.#order = [conv, ...this.#order.filter((other) => other !== conv)]; }

  /** @param {string} conv */
  #remove(conv) {
    this.#all.delete(conv);
    this.#order = this.#order.filter((other) => other !== conv);
  }
}

/** @param {Message} message @param {any} event @returns {Message} */
export function edited(message, { body, ts, recalled: isGone }) {
  if (isGone || message.recalled) return recalled(message);
  return { ...message, body, edited: ts };
}

/** @param {Message} message @returns {Message} */
export function recalled({ body, reactions, edited: _, ...rest }) {
  return { ...rest, recalled: true };
}
