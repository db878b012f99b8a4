// @ts-check
// Conversations in memory, for the fake gateway: the operations of messages and groups, and the events they lead to, as
// the protocol has them.

/** In groups of more members nobody is told how far somebody has read. */
const receiptMembersMax = 32;

/**
 * What the gateway is asked for here: an event of the timeline, one without a place in it, and that the timelines lose
 * the body of a message.
 * @typedef {{ append(user: string, event: any): void, live(user: string, event: any): void,
 *             forget(conv: string, n: number): void }} Outlet
 *
 * @typedef {{ n: number, id: string, ts: number, from: string, cid: string, body?: any, recalled?: true,
 *             edited?: number, reactions: Map<string, string[]> }} Message
 *
 * `since`: the number of the last message before somebody joined.
 * @typedef {{ conv: string, kind: 'direct' | 'group', members: string[], owner?: string, title: string | null,
 *             messages: Message[], since: Map<string, number>, read: Map<string, number>,
 *             delivered: Map<string, number>, activity: Map<string, number> }} Conversation
 */

/** What a request is refused with. */
export class Refusal extends Error {
  /** @param {string} code @param {string} message */
  constructor(code, message) {
    super(message);
    this.code = code;
  }
}

export class FakeChat {
  /** @type {Map<string, Conversation>} */ conversations = new Map();
  /** Groups of more members are told of messages live. */ fanOutMax = 500;
  /** @type {Set<string>} `user conv` */ #muted = new Set();
  /** @type {Map<string, string[]>} whom a user blocks */ #blocked = new Map();
  /** @type {Map<string, { body: string, receipt: any }>} by `user cid` */ #stored = new Map();
  #clock = 0;

  /** @param {Outlet} outlet */
  constructor(outlet) {
    this.outlet = outlet;
  }

  /**
   * @param {string} user @param {any} frame
   * @returns {any} the reply's `ok`; undefined when this is no operation of conversations
   */
  answer(user, frame) {
    switch (frame.op) {
      case 'send': return this.send(user, frame);
      case 'history': return this.history(user, frame);
      case 'conversations': return this.list(user, frame);
      case 'read': return this.read(user, frame);
      case 'delivered': return this.delivered(user, frame);
      case 'typing': return this.tellOthers(user, frame.conv, { ev: 'typing', user, on: frame.on });
      case 'edit': return this.edit(user, frame);
      case 'recall': return this.recall(user, frame);
      case 'react': return this.react(user, frame);
      case 'group.create': return this.create(user, frame);
      case 'group.update': case 'group.add': case 'group.remove': case 'group.leave': return this.change(user, frame);
      case 'mute': return this.mute(user, frame);
      case 'block': case 'unblock': return this.block(user, frame.user, frame.op === 'block');
      case 'blocks': return { users: this.#blocked.get(user) ?? [] };
      default: return undefined;
    }
  }

  /** Unread messages of all conversations that are not muted. @param {string} user */
  unread(user) {
    let sum = 0;
    for (const conversation of this.conversations.values()) {
      const counts = conversation.members.includes(user) && conversation.members.length <= this.fanOutMax
        && !this.#muted.has(`${user} ${conversation.conv}`);
      if (counts) sum += unreadIn(conversation, user);
    }
    return sum;
  }

  // Messages ----------------------------------------------------------------------------------------------------------

  /** @param {string} user @param {any} frame */
  send(user, { to, conv, cid, body }) {
    if (!/^[A-Za-z0-9_-]{1,64}$/.test(cid ?? '')) throw new Refusal('bad_request', 'cid');
    if (to === user) throw new Refusal('bad_request', 'to: that is yourself');
    const conversation = this.#find(user, to ? direct(user, to) : conv);
    const text = JSON.stringify(body);
    const before = this.#stored.get(`${user} ${cid}`);
    if (before && before.body !== text) throw new Refusal('conflict', 'this cid was used for another message');
    if (before) return { ...before.receipt, dup: true };
    this.#refuseBlocked(conversation);
    const n = conversation.messages.length + 1;
    const ts = Date.now();
    const id = `${conversation.conv}#${n}`;
    conversation.messages.push({ n, id, ts, from: user, cid, body, reactions: new Map() });
    this.conversations.set(conversation.conv, conversation);
    this.#stored.set(`${user} ${cid}`, { body: text, receipt: { conv: conversation.conv, n, id, ts } });
    for (const member of conversation.members) {
      conversation.activity.set(member, ++this.#clock);
      const own = member === user;
      const event = { ev: 'message', id, ts, conv: conversation.conv, n, from: user, ...(own ? { cid } : {}), body };
      if (conversation.members.length > this.fanOutMax) this.outlet.live(member, event);
      else this.outlet.append(member, { ...event, ...(own ? {} : { unread: true }) });
    }
    return { conv: conversation.conv, n, id, ts };
  }

  /** @param {string} user @param {any} frame */
  history(user, { conv, before, after, limit = 50 }) {
    const conversation = this.#find(user, conv);
    const since = conversation.since.get(user) ?? 0;
    const all = conversation.messages.filter(({ n }) => n > since && n < (before ?? Infinity) && n > (after ?? 0));
    const some = after === undefined ? all.slice(-limit) : all.slice(0, limit);
    return { messages: some.map((message) => shown(message, user)), more: some.length < all.length };
  }

  /** @param {string} user @param {any} frame */
  edit(user, { conv, n, body }) {
    const { conversation, message } = this.#own(user, conv, n);
    if (message.recalled) throw new Refusal('not_found', 'the message was recalled');
    this.#refuseBlocked(conversation);
    message.body = body;
    message.edited = Date.now();
    this.#tell(conversation, { ev: 'message.edited', n, from: user, body });
    return {};
  }

  /** @param {string} user @param {any} frame */
  recall(user, { conv, n }) {
    const { conversation, message } = this.#own(user, conv, n);
    if (message.recalled) return {};
    delete message.body;
    message.recalled = true;
    this.outlet.forget(conv, n);
    this.#tell(conversation, { ev: 'message.recalled', n, from: user });
    return {};
  }

  /** @param {string} user @param {any} frame */
  react(user, { conv, n, key, on }) {
    const conversation = this.#find(user, conv);
    const message = conversation.messages[n - 1];
    if (!message || message.recalled) throw new Refusal('not_found', 'there is no such message');
    this.#refuseBlocked(conversation);
    const users = message.reactions.get(key) ?? [];
    if (users.includes(user) === on) return {};
    const now = on ? [...users, user] : users.filter((other) => other !== user);
    if (now.length > 0) message.reactions.set(key, now);
    else message.reactions.delete(key);
    this.#tell(conversation, { ev: 'reaction', n, user, key, on });
    return {};
  }

  // Cursors -----------------------------------------------------------------------------------------------------------

  /** @param {string} user @param {any} frame */
  read(user, { conv, n, force }) {
    const conversation = this.#find(user, conv);
    const was = conversation.read.get(user) ?? 0;
    const is = Math.min(n, conversation.messages.length);
    if (is > was || (force && is !== was)) {
      conversation.read.set(user, is);
      for (const member of conversation.members.length <= receiptMembersMax ? conversation.members : [user]) {
        const counts = member === user ? { conv_unread: unreadIn(conversation, user), unread: true } : {};
        this.outlet.append(member, { ev: 'read', conv, user, n: is, ...counts });
      }
    }
    const unread = this.totals(user);
    return { conv, n: conversation.read.get(user) ?? 0, conv_unread: unreadIn(conversation, user), unread };
  }

  /** The totals as the gateway has them; it adds the notifications. @type {(user: string) => any} */
  totals = (user) => ({ messages: this.unread(user), notifications: 0 });

  /** @param {string} user @param {any} frame */
  delivered(user, { conv, n }) {
    const conversation = this.#find(user, conv);
    if (n <= (conversation.delivered.get(user) ?? 0)) return {};
    conversation.delivered.set(user, n);
    return conversation.members.length > receiptMembersMax ? {}
      : this.tellOthers(user, conv, { ev: 'delivered', user, n });
  }

  /** @param {string} user @param {string} conv @param {any} event a live one */
  tellOthers(user, conv, event) {
    const conversation = this.#find(user, conv);
    if (this.#isBlocked(conversation)) return {};
    for (const member of conversation.members) if (member !== user) this.outlet.live(member, { ...event, conv });
    return {};
  }

  // The list, groups, settings ----------------------------------------------------------------------------------------

  /** @param {string} user @param {any} frame */
  list(user, { cursor, limit = 50 }) {
    const at = (/** @type {Conversation} */ conversation) => conversation.activity.get(user) ?? 0;
    const mine = [...this.conversations.values()].filter(({ members }) => members.includes(user))
      .filter((conversation) => !cursor || at(conversation) < Number(cursor)).sort((a, b) => at(b) - at(a));
    const page = mine.slice(0, limit);
    return {
      conversations: page.map((conversation) => this.describe(conversation, user)),
      cursor: page.length < mine.length ? String(at(page[page.length - 1])) : null,
    };
  }

  /** @param {Conversation} conversation @param {string} user */
  describe(conversation, user) {
    const { conv, kind, members, owner, title, messages, read, delivered } = conversation;
    const last = messages[messages.length - 1];
    const others = members.length > receiptMembersMax ? [] : members.filter((member) => member !== user);
    const partner = kind === 'direct' && members.find((member) => member !== user);
    return {
      conv, kind, members, ...(kind === 'group' ? { member_count: members.length, owner } : {}), title,
      last: last && last.n > (conversation.since.get(user) ?? 0) ? shown(last, user) : null,
      unread: unreadIn(conversation, user), read_n: read.get(user) ?? 0, muted: this.#muted.has(`${user} ${conv}`),
      ...(partner && this.#blocked.get(user)?.includes(partner) ? { blocked: true } : {}),
      others: others.map((member) => (
        { user: member, read_n: read.get(member) ?? 0, delivered_n: delivered.get(member) ?? 0 })),
    };
  }

  /** @param {string} user @param {any} frame */
  create(user, { title = null, members, cid }) {
    const conv = `g:${user}-${cid ?? this.conversations.size}`;
    const known = this.conversations.get(conv);
    if (known) return this.describe(known, user);
    const group = conversation(conv, 'group', [...new Set([user, ...members])]);
    Object.assign(group, { owner: user, title });
    this.conversations.set(conv, group);
    for (const member of group.members) group.activity.set(member, ++this.#clock);
    this.#tell(group, { ev: 'group', change: 'created', by: user, ...(title ? { title } : {}), users: group.members });
    return this.describe(group, user);
  }

  /** @param {string} user @param {any} frame */
  change(user, { op, conv, title, members = [] }) {
    const group = this.#find(user, conv);
    if (group.kind !== 'group') throw new Refusal('bad_request', 'conv is not a group');
    if (op === 'group.remove' && group.owner !== user) throw new Refusal('forbidden', 'only the owner may remove');
    const before = group.members;
    /** @type {string[]} */ const users = op === 'group.leave' ? [user]
      : members.filter((/** @type {string} */ member) => before.includes(member) === (op === 'group.remove'));
    if (op === 'group.update') group.title = title;
    if (op === 'group.add') {
      group.members = [...before, ...users];
      for (const member of users) {
        for (const cursor of [group.since, group.read]) cursor.set(member, group.messages.length);
        group.activity.set(member, ++this.#clock);
      }
    }
    if (op === 'group.remove' || op === 'group.leave') {
      group.members = before.filter((member) => !users.includes(member));
      if (users.includes(group.owner ?? '')) group.owner = group.members[0];
    }
    const change = { update: 'updated', add: 'added', remove: 'removed', leave: 'left' }[op.slice('group.'.length)];
    const changed = op === 'group.update' || users.length > 0;
    const event = { ev: 'group', change, by: user, ...(op === 'group.update' ? { title } : {}), users };
    if (changed) this.#tell(group, event, new Set([...before, ...group.members]));
    return op === 'group.leave' ? {} : this.describe(group, user);
  }

  /** @param {string} user @param {any} frame */
  mute(user, { conv, on }) {
    this.#find(user, conv);
    const key = `${user} ${conv}`;
    if (this.#muted.has(key) === on) return {};
    if (on) this.#muted.add(key);
    else this.#muted.delete(key);
    this.outlet.append(user, { ev: 'mute', conv, on, unread: true });
    return {};
  }

  /** @param {string} user @param {string} whom @param {boolean} on */
  block(user, whom, on) {
    const users = this.#blocked.get(user) ?? [];
    if (users.includes(whom) === on) return {};
    this.#blocked.set(user, on ? [...users, whom] : users.filter((other) => other !== whom));
    this.outlet.append(user, { ev: 'block', user: whom, on });
    return {};
  }

  // Small things ------------------------------------------------------------------------------------------------------

  /** @param {string} user @param {string} conv @returns {Conversation} */
  #find(user, conv) {
    const known = this.conversations.get(conv);
    const members = conv?.startsWith('d:') ? conv.slice(2).split(':').map((id) => id.replace(/%3A/g, ':')) : [];
    const found = known ?? (members.length === 2 ? conversation(conv, 'direct', members) : undefined);
    if (!found?.members.includes(user)) throw new Refusal('not_found', 'there is no such conversation');
    return found;
  }

  /** @param {string} user @param {string} conv @param {number} n */
  #own(user, conv, n) {
    const conversation = this.#find(user, conv);
    const message = conversation.messages[n - 1];
    if (!message) throw new Refusal('not_found', 'there is no such message');
    if (message.from !== user) throw new Refusal('forbidden', 'it is not your message');
    return { conversation, message };
  }

  /** @param {Conversation} conversation */
  #isBlocked({ kind, members: [one, other] }) {
    return kind === 'direct' && (this.#blocked.get(one)?.includes(other) || this.#blocked.get(other)?.includes(one));
  }

  /** @param {Conversation} conversation */
  #refuseBlocked(conversation) {
    if (this.#isBlocked(conversation)) throw new Refusal('forbidden', 'one of you blocks the other');
  }

  /** @param {Conversation} conversation @param {any} event @param {Iterable<string>} [users] */
  #tell(conversation, event, users = conversation.members) {
    for (const user of users) this.outlet.append(user, { ...event, conv: conversation.conv });
  }
}

/** @param {string} one @param {string} other */
function direct(one, other) {
  return `d:${[one, other].sort().map((id) => id.replace(/:/g, '%3A')).join(':')}`;
}

/** @param {string} conv @param {'direct' | 'group'} kind @param {string[]} members @returns {Conversation} */
function conversation(conv, kind, members) {
  const [since, read, delivered, activity] = [new Map(), new Map(), new Map(), new Map()];
  return { conv, kind, members, title: null, messages: [], since, read, delivered, activity };
}

/** @param {Conversation} conversation @param {string} user */
function unreadIn({ messages, read }, user) {
  return messages.slice(read.get(user) ?? 0).filter(({ from }) => from !== user).length;
}

/** @param {Message} message @param {string} user */
function shown({ cid, reactions, ...message }, user) {
  return {
    ...message, ...(message.from === user ? { cid } : {}),
    ...(reactions.size > 0 ? { reactions: Object.fromEntries(reactions) } : {}),
  };
}
