// @ts-check
// A gateway in the test's own process: one user's timeline, sockets of the browsers' shape, and ways to misbehave.
// Nothing here waits: frames are handed over at once, time is that of `clock.mjs`.

/** A client that sends more than this in one test asks again and again: its loop is cut, and the test says so. */
const tooMany = 1000;

export class FakeGateway {
  epoch = 'e1';
  /** @type {any[]} The timeline; `seq` of an event is its index + 1. */ events = [];
  /** @type {FakeSocket[]} Every socket that was ever dialled, oldest first. */ sockets = [];
  /** @type {any[]} Every frame that clients sent. */ received = [];
  /** Operations that get no answer. */ mute = new Set();
  /** @type {any[]} What `hello` is refused with, once each. */ helloErrors = [];
  /** @type {Map<string, any[]>} Answers that replace the usual ones, by operation, once each. */ answers = new Map();
  /** Whether dialling succeeds. */ up = true;
  unread = { messages: 0, notifications: 0 };

  /** The class to hand to `new Apus({ WebSocket })`. */
  get WebSocket() {
    const gateway = this;
    return class extends FakeSocket {
      constructor(/** @type {string} */ url, /** @type {string[]} */ protocols) { super(gateway, url, protocols); }
    };
  }

  /** The socket dialled last. */
  get socket() { return this.sockets[this.sockets.length - 1]; }

  /** @param {string} op */
  requests(op) { return this.received.filter((frame) => frame.op === op); }

  /**
   * Appends an event and, unless `silent`, pushes it to the newest socket.
   * @param {Record<string, any>} [fields]
   * @param {{ silent?: boolean }} [how]
   */
  publish(fields = {}, how = {}) {
    const seq = this.events.length + 1;
    this.unread = { messages: 0, notifications: this.unread.notifications + 1 };
    const event = { ev: 'notification', seq, id: `${this.epoch}-${seq}`, ts: 1, unread: this.unread, ...fields };
    this.events.push(event);
    if (!how.silent && this.socket?.readyState === 1) this.socket.say(event);
    return event;
  }

  /**
   * Loses everything after `seq`, as a store does that fails over to a replica which lags behind.
   * @param {number} seq
   */
  loseTail(seq) { this.events.length = seq; }

  /** @param {FakeSocket} socket @param {any} frame */
  handle(socket, frame) {
    this.received.push(frame);
    if (this.received.length > tooMany) throw new Error(`the client has sent ${tooMany} frames, the last: ${frame.op}`);
    if (this.mute.has(frame.op)) return;
    const other = this.answers.get(frame.op)?.shift();
    if (other) return socket.say({ re: frame.id, ...other });
    if (frame.op === 'hello') return this.hello(socket, frame);
    socket.say({ re: frame.id, ok: this.answer(frame) });
  }

  /** @param {any} frame */
  answer(frame) {
    const head = this.events.length;
    switch (frame.op) {
      case 'ping': return { seq: head };
      case 'sync': {
        const events = this.events.slice(frame.after, frame.after + Math.min(frame.limit, 3));
        return { epoch: this.epoch, events, head, more: frame.after + events.length < head };
      }
      case 'inbox': return { items: [], cursor: null, unread: this.unread, by_category: {} };
      case 'inbox.read': return { unread: { messages: 0, notifications: 0 }, by_category: {} };
      case 'subscribe': case 'unsubscribe': return { topic: frame.topic };
      default: return {};
    }
  }

  /** @param {FakeSocket} socket @param {any} frame */
  hello(socket, frame) {
    const refusal = this.helloErrors.shift();
    if (refusal) return socket.say({ re: frame.id, error: refusal });
    const head = this.events.length;
    const { resume } = frame;
    const welcome = {
      ev: 'welcome', re: frame.id, user: 'alice', session: `s-${this.sockets.length}`, node: 'gw-1',
      epoch: this.epoch, seq: head, last: this.events[head - 1]?.id, resumed: false, unread: this.unread,
      ping_ms: 25000,
    };
    if (!resume) return socket.say(welcome);
    const resync = resume.epoch !== this.epoch ? 'epoch_changed' : resume.seq > head ? 'ahead'
      : resume.seq > 0 && resume.last && this.events[resume.seq - 1].id !== resume.last ? 'id_mismatch' : null;
    if (resync) return socket.say({ ...welcome, resync });
    socket.say({ ...welcome, resumed: true });
    for (const event of this.events.slice(resume.seq)) socket.say(event);
  }
}

export class FakeSocket {
  readyState = 0;
  /** @type {any} */ onopen = null;
  /** @type {any} */ onmessage = null;
  /** @type {any} */ onclose = null;
  /** @type {any} */ onerror = null;
  /** @type {number | undefined} The code the client closed with. */ closedWith;

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

/** @param {number} [expSeconds] of a token that nobody signed */
export function token(expSeconds) {
  const part = (/** @type {object} */ object) => Buffer.from(JSON.stringify(object)).toString('base64url');
  return `${part({ alg: 'HS256' })}.${part({ sub: 'alice', ...(expSeconds ? { exp: expSeconds } : {}) })}.sig`;
}
