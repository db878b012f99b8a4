// @ts-check
/**
 * Client of the Apus protocol, version 1: five ES modules without dependencies, for browsers and Node.js (22, or any
 * with a `WebSocket` passed in). Copy `apus*.js` into one folder and import this one.
 *
 *     const apus = new Apus({ url: 'wss://push.example/ws', token: () => fetchToken() });
 *     apus.on('notification', (event) => show(event.notification));
 *     apus.on('message', (event) => append(event.conv, event));
 *     await apus.connect();
 *     await apus.send({ to: 'bob', body: { text: 'Hello' } });
 *
 * `docs/clients-js.md` is the guide, `docs/protocol.md` the contract.
 */

import { Connection } from './apus-connection.js';
import { ApusError, directConversation, newClientID } from './apus-decisions.js';
import { Outbox } from './apus-outbox.js';
import { Watches } from './apus-watches.js';

export * from './apus-decisions.js';

/**
 * @typedef {import('./apus-decisions.js').Position} Position
 * @typedef {import('./apus-decisions.js').Unread} Unread
 * @typedef {import('./apus-decisions.js').Frame} Frame
 * @typedef {import('./apus-decisions.js').Welcome} Welcome
 * @typedef {import('./apus-decisions.js').Storage} Storage
 * @typedef {import('./apus-connection.js').State} State
 * @typedef {import('./apus-connection.js').Signals} Signals
 * @typedef {import('./apus-connection.js').Options} Options
 * @typedef {import('./apus-outbox.js').Outgoing} Outgoing
 * @typedef {import('./apus-outbox.js').Receipt} Receipt
 * @typedef {import('./apus-watches.js').Presence} Presence
 *
 * @typedef {{ id: string, type: string, category: string, ts?: number, actor?: any, object?: any, data?: any,
 *             read: boolean }} InboxItem
 *
 * A message of a conversation. `cid`: only on the user's own. `body` is absent once it was `recalled`. `edited`: when, in
 * milliseconds since 1970. `reactions`: by key, who set it.
 * @typedef {{ n: number, id: string, ts: number, from: string, cid?: string, body?: any, recalled?: true,
 *             edited?: number, reactions?: Record<string, string[]> }} Message
 *
 * How far somebody else is.
 * @typedef {{ user: string, read_n: number, delivered_n: number }} Progress
 *
 * A conversation as this user sees it. `member_count`, `owner`: of groups. `members`: the first fifty.
 * @typedef {{ conv: string, kind: 'direct' | 'group', members: string[], member_count?: number, owner?: string,
 *             title: string | null, last: Message | null, unread: number, read_n: number, muted: boolean,
 *             blocked?: boolean, others: Progress[] }} Conversation
 *
 * @typedef {{ unread: Unread, by_category: Record<string, number> }} InboxCounts
 */

export class Apus extends Connection {
  /** @type {Outbox} */ #outbox;
  /** @type {Watches} */ #watches;

  /** @param {Options} options */
  constructor(options) {
    super(options);
    this.#outbox = new Outbox({
      isOpen: () => this.state.state === 'open',
      request: (message) => this.request('send', message),
      lineOf: ({ conv, to }) => conv ?? directConversation(this.session?.user ?? '', to ?? ''),
      random: options.random ?? Math.random,
    });
    this.#watches = new Watches({
      isOpen: () => this.state.state === 'open',
      request: (op, users, retry) => this.request(op, { users }, { retry }),
      tell: (event) => this.tell(event),
      failed: (error) => {
        // A connection that broke is followed by another one, and that by another question.
        const retryMs = error instanceof ApusError ? error.retryMs : undefined;
        if (retryMs !== undefined) setTimeout(() => { if (this.state.state === 'open') this.#watches.renew(); }, retryMs);
      },
    });
    this.on('presence', (event) => this.#watches.take(event));
    this.on('behind', () => this.#watches.renew()); // Events were dropped, those of presence too.
    this.on('state', ({ state, code, reason }) => {
      if (state === 'open') this.#outbox.pump();
      if (state === 'open') this.#watches.renew();
      if (state === 'closed') this.#outbox.fail(new ApusError('closed', reason || `closed with ${code}`));
    });
  }

  // The timeline and the inbox --------------------------------------------------------------------------------------

  /** @returns {Promise<{ seq: number }>} the head of the timeline */
  ping() { return this.request('ping'); }

  /**
   * A page of the timeline. Holes are filled without it; it is for reading further back.
   * @param {{ after: number, limit?: number }} query
   * @returns {Promise<{ epoch: string, events: Frame[], head: number, more: boolean }>}
   */
  sync(query) { return this.request('sync', { after: query.after, limit: query.limit }, { retry: true }); }

  /**
   * A page of the inbox, newest first.
   * @param {{ before?: string | null, limit?: number, category?: string, unread?: boolean }} [query]
   * @returns {Promise<{ items: InboxItem[], cursor?: string | null, unread: Unread,
   *                     by_category: Record<string, number> }>}
   */
  inbox(query = {}) {
    const { before, limit, category, unread } = query;
    return this.counted('inbox', { before: before ?? undefined, limit, category, unread }, { retry: true });
  }

  /**
   * Marks as read: these, this one and all older, or all.
   * @param {{ ids?: string[], upTo?: string, all?: true, category?: string }} selection
   * @returns {Promise<InboxCounts>}
   */
  inboxRead({ ids, upTo, all, category }) {
    return this.counted('inbox.read', { ids, up_to: upTo, all, category });
  }


  // Presence --------------------------------------------------------------------------------------------------------

  /**
   * Watches users, until `unwatch`, over reconnects: `presence` events tell when they come and go. At most 1,000 in all.
   * @param {string[]} users
   * @returns {Promise<Record<string, Presence>>} how they are now
   */
  watch(users) { return this.#watches.add(users); }

  /** @param {string[]} users @returns {Promise<void>} */
  unwatch(users) { return this.#watches.remove(users); }

  /** What is known of a watched user. @param {string} user @returns {Presence | undefined} */
  presence(user) { return this.#watches.state(user); }

  // Messages --------------------------------------------------------------------------------------------------------

  /**
   * Sends a message: `to` a user, or into a conversation. It is kept until it is answered: over reconnects it is sent
   * again with the same `cid`, in order, and stored once.
   * @param {{ to?: string, conv?: string, cid?: string, body: any }} message `cid`: its name for the user's devices,
   *   `[A-Za-z0-9_-]{1,64}`; made here when it has none. To outlive the page, keep the message with its `cid` until it
   *   is answered, and send it again.
   * @returns {Promise<Receipt>} rejects when the gateway refuses it, or with `closed`
   */
  async send({ to, conv, cid = newClientID(), body }) {
    const { state } = this.state;
    if (state === 'idle' || state === 'closed') {
      throw new ApusError('not_connected', 'the message was not sent: connect() has not been called');
    }
    const copy = JSON.parse(JSON.stringify(body)); // What changes meanwhile would be another message under its `cid`.
    return this.#outbox.send({ to, conv, cid, body: copy });
  }

  /** Messages that are not answered yet, in their order. */
  get outbox() { return this.#outbox.messages; }

  /**
   * A page of a conversation, in ascending order: before a number, after one, or the newest.
   * @param {{ conv: string, before?: number, after?: number, limit?: number }} query
   * @returns {Promise<{ messages: Message[], more: boolean }>} `more`: in the direction that was asked for
   */
  history({ conv, before, after, limit }) {
    return this.request('history', { conv, before, after, limit }, { retry: true });
  }

  /**
   * A page of the conversations, newest activity first.
   * @param {{ cursor?: string | null, limit?: number }} [query]
   * @returns {Promise<{ conversations: Conversation[], cursor: string | null }>}
   */
  conversations(query = {}) {
    const { cursor, limit } = query;
    return this.request('conversations', { cursor: cursor ?? undefined, limit }, { retry: true });
  }

  /**
   * Puts the user's cursor: everything up to `n` is read. It only moves forward, unless `force` ("mark as unread").
   * @param {{ conv: string, n: number, force?: boolean }} cursor
   * @returns {Promise<{ conv: string, n: number, conv_unread: number, unread: Unread }>}
   */
  read({ conv, n, force }) { return this.counted('read', { conv, n, force }, { retry: !force }); }

  /**
   * Tells the others that this device has everything up to `n`.
   * @param {{ conv: string, n: number }} cursor
   * @returns {Promise<{}>}
   */
  delivered({ conv, n }) { return this.request('delivered', { conv, n }, { retry: true }); }

  /** @param {{ conv: string, on: boolean }} what @returns {Promise<{}>} */
  typing({ conv, on }) { return this.request('typing', { conv, on }); }

  /**
   * Gives an own message another body.
   * @param {{ conv: string, n: number, body: any }} what
   * @returns {Promise<{}>}
   */
  edit({ conv, n, body }) { return this.request('edit', { conv, n, body }); }

  /**
   * Takes an own message back: its body is gone for everyone.
   * @param {{ conv: string, n: number }} what
   * @returns {Promise<{}>}
   */
  recall({ conv, n }) { return this.request('recall', { conv, n }); }

  /**
   * Sets or takes away a reaction.
   * @param {{ conv: string, n: number, key: string, on: boolean }} what `key`: at most 32 bytes, an emoji say
   * @returns {Promise<{}>}
   */
  react({ conv, n, key, on }) { return this.request('react', { conv, n, key, on }); }

  // Conversations ---------------------------------------------------------------------------------------------------

  /**
   * Makes a group with this user as its owner; once, also when the request is repeated.
   * @param {{ title?: string, members: string[], cid?: string }} group `members`: besides this user
   * @returns {Promise<Conversation>}
   */
  createGroup({ title, members, cid = newClientID() }) {
    return this.request('group.create', { title, members, cid }, { retry: true });
  }

  /** @param {{ conv: string, title: string }} what @returns {Promise<Conversation>} */
  updateGroup({ conv, title }) { return this.request('group.update', { conv, title }); }

  /** @param {{ conv: string, members: string[] }} what @returns {Promise<Conversation>} */
  addMembers({ conv, members }) { return this.request('group.add', { conv, members }); }

  /**
   * Only for the owner.
   * @param {{ conv: string, members: string[] }} what
   * @returns {Promise<Conversation>}
   */
  removeMembers({ conv, members }) { return this.request('group.remove', { conv, members }); }

  /** @param {{ conv: string }} what @returns {Promise<{}>} */
  leaveGroup({ conv }) { return this.request('group.leave', { conv }); }

  /**
   * A muted conversation does not count in `unread.messages`.
   * @param {{ conv: string, on: boolean }} what
   * @returns {Promise<{}>}
   */
  mute({ conv, on }) { return this.request('mute', { conv, on }); }

  /**
   * Takes no direct messages from a user any more.
   * @param {string} user
   * @returns {Promise<{}>}
   */
  block(user) { return this.request('block', { user }); }

  /** @param {string} user @returns {Promise<{}>} */
  unblock(user) { return this.request('unblock', { user }); }

  /** @returns {Promise<{ users: string[] }>} whom this user blocks */
  blocks() { return this.request('blocks', {}, { retry: true }); }
}
