// @ts-check
// A gateway in the test's own process: timelines, conversations (`fake-chat.mjs`), sockets of the browsers' shape, and
// ways to misbehave. Nothing here waits: frames are handed over at once, time is that of `clock.mjs`.

import { FakeChat, Refusal } from './fake-chat.mjs';

/** A client that sends more than this in one test asks again and again: its loop is cut, and the test says so. */
const tooMany = 1000;

/** Of one user. `seq` of an event is its index + 1. @typedef {{ events: any[], notifications: number }} Timeline */

export class FakeGateway {
  epoch = 'e1';
  /** Whoever has a token that names nobody. */ user = 'alice';
  /** @type {Map<string, Timeline>} */ timelines = new Map();
  /** @type {any[]} Every socket that was ever dialled, oldest first. */ sockets = [];
  /** @type {any[]} Every frame that clients sent. */ received = [];
  /** How many of them are a loop; a server that people use has no such end. */ receivedMax = tooMany;
  /** Operations that get no answer. */ mute = new Set();
  /** @type {any[]} What `hello` is refused with, once each. */ helloErrors = [];
  /** @type {Map<string, any[]>} Answers that replace the usual ones, by operation, once each. */ answers = new Map();
  /** Whether dialling succeeds. */ up = true;
  /** @type {Set<string>} Who is online for those that watch. */ present = new Set();
  chat = new FakeChat(this);

  constructor() {
    this.chat.totals = (user) => this.totals(user);
  }

  /** The class to hand to `new Apus({ WebSocket })`. */
  get WebSocket() {
    const gateway = this;
    return class extends FakeSocket {
      constructor(/** @type {string} */ url, /** @type {string[]} */ protocols) { super(gateway, url, protocols); }
    };
  }

  /** The socket dialled last. */
  get socket() { return this.sockets[this.sockets.length - 1]; }
  /** The timeline of `user`. */
  get events() { return this.timeline(this.user).events; }

  /** @param {string} user @returns {Timeline} */
  timeline(user) {
    const timeline = this.timelines.get(user) ?? { events: [], notifications: 0 };
    this.timelines.set(user, timeline);
    return timeline;
  }

  /** @param {string} user */
  totals(user) { return { messages: this.chat.unread(user), notifications: this.timeline(user).notifications }; }

  /** @param {string} op */
  requests(op) { return this.received.filter((frame) => frame.op === op); }

  /**
   * Appends a notification and, unless `silent`, pushes it.
   * @param {Record<string, any>} [fields]
   * @param {{ silent?: boolean, user?: string }} [how]
   */
  publish(fields = {}, how = {}) {
    const user = how.user ?? this.user;
    this.timeline(user).notifications += 1;
    return this.append(user, { ev: 'notification', ts: 1, unread: true, ...fields }, how);
  }

  /**
   * Appends an event to a timeline and, unless `silent`, pushes it to the user's sockets. `unread: true` stands for the
   * totals as they are.
   * @param {string} user
   * @param {any} event
   * @param {{ silent?: boolean }} [how]
   */
  append(user, event, how = {}) {
    const { events } = this.timeline(user);
    const seq = events.length + 1;
    const totals = event.unread === true ? { unread: this.totals(user) } : {};
    const whole = { seq, id: `${this.epoch}-${seq}`, ts: Date.now(), ...event, ...totals };
    events.push(whole);
    if (!how.silent) this.live(user, whole);
    return whole;
  }

  /** Tells whoever is connected now. @param {string} user @param {any} event */
  live(user, event) {
    for (const socket of this.sockets) if (socket.user === user && socket.readyState === 1) socket.say(event);
  }

  /** Takes a recalled message's body out of the timelines. @param {string} conv @param {number} n */
  forget(conv, n) {
    for (const { events } of this.timelines.values()) {
      events.forEach((event, at) => {
        if (event.conv !== conv || event.n !== n || !('body' in event)) return;
        const { body, ...rest } = event;
        events[at] = { ...rest, recalled: true };
      });
    }
  }

  /**
   * Loses everything after `seq`, as a store does that fails over to a replica which lags behind.
   * @param {number} seq
   */
  loseTail(seq) { this.events.length = seq; }

  /** @param {any} socket @param {any} frame */
  handle(socket, frame) {
    this.received.push(frame);
    const { length } = this.received;
    if (length > this.receivedMax) throw new Error(`the client has sent ${length} frames, the last: ${frame.op}`);
    if (this.mute.has(frame.op)) return;
    const other = this.answers.get(frame.op)?.shift();
    if (other) return socket.say({ re: frame.id, ...other });
    if (frame.op === 'hello') return this.hello(socket, frame);
    try {
      socket.say({ re: frame.id, ok: this.answer(socket.user, frame) });
    } catch (error) {
      if (!(error instanceof Refusal)) throw error;
      socket.say({ re: frame.id, error: { code: error.code, message: error.message } });
    }
  }

  /** @param {string} user @param {any} frame */
  answer(user, frame) {
    const { events } = this.timeline(user);
    const head = events.length;
    switch (frame.op) {
      case 'ping': return { seq: head };
      case 'sync': {
        const page = events.slice(frame.after, frame.after + Math.min(frame.limit, 3));
        return { epoch: this.epoch, events: page, head, more: frame.after + page.length < head };
      }
      case 'inbox': return { items: [], cursor: null, unread: this.totals(user), by_category: {} };
      case 'inbox.read':
        this.timeline(user).notifications = 0;
        return { unread: this.totals(user), by_category: {} };
      case 'subscribe': case 'unsubscribe': return { topic: frame.topic };
      case 'presence.watch': return { states: Object.fromEntries(frame.users.map((/** @type {string} */ user) => [
        user, this.present.has(user) ? { state: 'online', since: 5 } : { state: 'offline', last_seen: 7 }])) };
      case 'presence.unwatch': return { states: {} };
      default: return this.chat.answer(user, frame) ?? {};
    }
  }

  /** @param {any} socket @param {any} frame */
  hello(socket, frame) {
    const refusal = this.helloErrors.shift();
    if (refusal) return socket.say({ re: frame.id, error: refusal });
    const user = userOf(frame.token) ?? this.user;
    const { events } = this.timeline(user);
    const head = events.length;
    const { resume } = frame;
    const welcome = {
      ev: 'welcome', re: frame.id, user, session: `s-${this.sockets.length}`, node: 'gw-1',
      epoch: this.epoch, seq: head, last: events[head - 1]?.id, resumed: false, unread: this.totals(user),
      ping_ms: 25000,
    };
    socket.user = user;
    if (!resume) return socket.say(welcome);
    const resync = resume.epoch !== this.epoch ? 'epoch_changed' : resume.seq > head ? 'ahead'
      : resume.seq > 0 && resume.last && events[resume.seq - 1].id !== resume.last ? 'id_mismatch' : null;
    if (resync) return socket.say({ ...welcome, resync });
    socket.say({ ...welcome, resumed: true });
    for (const event of events.slice(resume.seq)) socket.say(event);
  }
}

/** @param {string} token @returns {string | undefined} */
function userOf(token) {
  try { return JSON.parse(Buffer.from(token.split('.')[1], 'base64url').toString()).sub; } catch { return undefined; }
}

export class FakeSocket {
  readyState = 0;
  /** @type {any} */ onopen = null;
  /** @type {any} */ onmessage = null;
  /** @type {any} */ onclose = null;
  /** @type {any} */ onerror = null;
  /** @type {number | undefined} The code the client closed with. */ closedWith;
  /** @type {string | undefined} From `hello` on. */ user;

  /** @param {FakeGateway} gateway @param {string} url @param {string[]} protocols */
  constructor(gateway, url, protocols) {
    Object.assign(this, { gateway, url, protocols });
    this.gateway = gateway;
    gateway.sockets.push(this);
    queueMicrotask(() => {
      if (!gateway.up) return this.end(1006);
      this.readyState = 1;
      this.onopen?.({});
    });
  }

  /** @param {string} text */
  send(text) {
    const frame = JSON.parse(text);
    queueMicrotask(() => { if (this.readyState === 1) this.gateway.handle(this, frame); });
  }

  /** @param {number} [code] */
  close(code) {
    this.closedWith = code;
    this.readyState = 3;
  }

  /** @param {any} frame what the gateway says: an object, or text as it is */
  say(frame) { this.onmessage?.({ data: typeof frame === 'string' ? frame : JSON.stringify(frame) }); }

  /** @param {number} code why the gateway, or the network, closes @param {string} [reason] */
  end(code, reason = '') {
    this.readyState = 3;
    this.onclose?.({ code, reason });
  }
}

/** @param {number} [expSeconds] of a token that nobody signed @param {string} [user] */
export function token(expSeconds, user = 'alice') {
  const part = (/** @type {object} */ object) => Buffer.from(JSON.stringify(object)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ sub: user, ...(expSeconds ? { exp: expSeconds } : {}) })}.sig`;
}
