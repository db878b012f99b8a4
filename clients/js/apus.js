// @ts-check
/**
 * Client of the Apus protocol, version 1. One ES module without dependencies, for browsers and Node.js (22, or any with
 * a `WebSocket` passed in).
 *
 *     const apus = new Apus({ url: 'wss://push.example/ws', token: () => fetchToken() });
 *     apus.on('notification', (event) => show(event.notification));
 *     apus.on('unread', (totals) => setBadge(totals.notifications));
 *     await apus.connect();
 *
 * The first half of this file decides and is pure (what a close code means, how long to wait, which event is next);
 * the class below it performs. `docs/clients-js.md` is the guide, `docs/protocol.md` the contract.
 */

/**
 * A place in the user's timeline.
 * @typedef {{ epoch: string, seq: number, last?: string }} Position
 *
 * The totals behind a badge.
 * @typedef {{ messages: number, notifications: number }} Unread
 *
 * One frame from the gateway. Durable events have `seq` and `id`.
 * @typedef {{ ev?: string, re?: number | string, seq?: number, id?: string, ts?: number, unread?: Unread,
 *             [field: string]: any }} Frame
 *
 * @typedef {Frame & { user: string, session: string, node: string, epoch: string, seq: number, last?: string,
 *                     resumed?: boolean, resync?: string, ping_ms?: number }} Welcome
 *
 * `at` (reconnecting): when the next attempt is due, milliseconds since 1970. `code`: why the last connection ended.
 * @typedef {{ state: 'idle' | 'connecting' | 'open' | 'reconnecting' | 'closed', attempt?: number, delayMs?: number,
 *             at?: number, code?: number, reason?: string }} State
 *
 * `missed`: the event happened before this connection was opened and is delivered by a resume.
 * @typedef {{ missed: boolean }} EventMeta
 *
 * @typedef {{
 *   state: State, welcome: Welcome, resumed: { missed: number }, resync: { reason: string }, unread: Unread,
 *   event: Frame, frame: { direction: 'in' | 'out', text: string, frame: Frame | null, at: number },
 * }} Signals
 *
 * Where a position outlives the page. `save` is called after the handlers of an event have run.
 * @typedef {{ load(): Position | null | Promise<Position | null>,
 *             save(position: Position): void | Promise<void> }} Storage
 *
 * @typedef {{ id: string, type: string, category: string, ts?: number, actor?: any, object?: any, data?: any,
 *             read: boolean }} InboxItem
 *
 * @typedef {(why: { refused: boolean }) => string | Promise<string>} TokenProvider
 *
 * @typedef {object} Options
 * @property {string} url `ws://` or `wss://` address of the gateway's `/ws`.
 * @property {string | TokenProvider} token A JWT, or a function that gives one. `refused` is true when the gateway has
 *   just refused the last one: skip your cache then.
 * @property {string} [device] 1–64 characters of `[A-Za-z0-9._-]`: this installation's name for itself.
 * @property {Storage} [storage] Default: the position lives as long as this object.
 * @property {any} [WebSocket] A constructor of the browsers' shape. Default: the global one.
 * @property {number} [pingMs] Time between heartbeats. Default: what `welcome` says.
 * @property {() => number} [random] For tests.
 */

// ---------------------------------------------------------------------------------------------------------------------
// Decisions

/** Milliseconds, each with the failure it prevents. */
export const times = Object.freeze({
  /** The first retry comes within this: most losses are a moment's (a tunnel, a restarted proxy). */
  backoffBase: 500,
  /** The longest wait between retries: past it a person believes that the page is broken. */
  backoffCap: 20_000,
  /** A connection that lasted less does not reset the back-off, or accept-then-close would be hammered. */
  stable: 10_000,
  /** From dialling to `welcome`; the gateway itself allows 10 s for `hello`. */
  open: 10_000,
  /** Time between heartbeats when `welcome` does not say. */
  ping: 25_000,
  /** A heartbeat without any sign of life for this long means that the connection is dead. */
  pingTimeout: 10_000,
  /** The same when the page has just come back to the front: someone is looking. */
  wakeTimeout: 4_000,
  /** A request's reply. */
  request: 15_000,
  /** What `setTimeout` can take; tokens may live longer. */
  timerMax: 2 ** 31 - 1,
});

/** Events per page when the timeline is pulled: what the gateway allows at most. */
const syncPage = 500;

/**
 * What a close code asks of the client (protocol §2.5). Codes that are not listed there are the network's fault.
 * @param {number} code
 * @returns {'stay' | 'reconnect' | 'renew' | 'stop'}
 */
export function closePolicy(code) {
  if (code === 1000) return 'stay';
  if (code === 4401) return 'renew';
  if ([1002, 1003, 1007, 1009].includes(code) || (code >= 4400 && code <= 4499)) return 'stop';
  return 'reconnect';
}

/**
 * The close code that an error reply to `hello` amounts to.
 * @param {string} code
 */
export function refusalCloseCode(code) {
  switch (code) {
    case 'unauthenticated': return 4401;
    case 'forbidden': return 4403;
    case 'unavailable': case 'internal': case 'rate_limited': return 4503;
    default: return 4400;
  }
}

/**
 * Exponential back-off with full jitter: a uniform part of a bound that doubles, so that a crowd spreads out.
 * @param {number} attempt 0 for the first retry.
 * @param {number} random 0 ≤ random < 1
 */
export function backoffMs(attempt, random) {
  return Math.floor(random * Math.min(times.backoffCap, times.backoffBase * 2 ** Math.min(attempt, 16)));
}

/**
 * Where an event stands relative to the position.
 *
 * `next`: deliver it. `old`: it was delivered before. `hole`: others come first, pull them. `conflict`: another event
 * has the number of the last one, so the store lost its tail. `live`: not part of the timeline.
 * @param {Position} position
 * @param {Frame} event
 * @returns {'next' | 'old' | 'hole' | 'conflict' | 'live'}
 */
export function judge(position, event) {
  // `behind` has a seq too, but it is a signal: only what has an id is stored.
  if (typeof event.id !== 'string' || typeof event.seq !== 'number' || !Number.isSafeInteger(event.seq)) return 'live';
  if (event.seq === position.seq + 1) return 'next';
  if (event.seq > position.seq) return 'hole';
  return event.seq === position.seq && position.last && event.id !== position.last ? 'conflict' : 'old';
}

/**
 * The position after `welcome`: the resumed one when the gateway took it, else the timeline's head.
 * @param {Welcome} welcome
 * @param {Position | null} resume what `hello` offered
 * @returns {Position}
 */
export function positionAfter(welcome, resume) {
  return resume && welcome.resumed === true ? resume : makePosition(welcome.epoch, welcome.seq, welcome.last);
}

/** @param {string} epoch @param {number} seq @param {string} [last] @returns {Position} */
function makePosition(epoch, seq, last) {
  return last ? { epoch, seq, last } : { epoch, seq };
}

/** @param {any} value @returns {value is Position} */
export function isPosition(value) {
  return typeof value?.epoch === 'string' && Number.isSafeInteger(value.seq) && value.seq >= 0
    && (value.last === undefined || typeof value.last === 'string');
}

/**
 * When a JWT expires; null when it does not say. Nothing is verified: that is the gateway's task.
 * @param {string} token
 * @returns {number | null} milliseconds since 1970
 */
export function expiryOf(token) {
  try {
    const { exp } = JSON.parse(atob(token.split('.')[1].replace(/-/g, '+').replace(/_/g, '/')));
    return Number.isFinite(exp) ? exp * 1000 : null;
  } catch {
    return null;
  }
}

/**
 * How long to wait before the token is renewed: about four fifths of what is left, spread so that a crowd which
 * connected together does not renew together. Null when it is over already (then the gateway closes with 4401).
 * @param {number} leftMs
 * @param {number} random
 */
export function renewAfterMs(leftMs, random) {
  if (leftMs <= 0) return null;
  return Math.min(times.timerMax, Math.max(1000, Math.floor(leftMs * (0.75 + 0.1 * random))));
}

/** What a request failed with. */
export class ApusError extends Error {
  /**
   * @param {string} code One of the protocol's, or: `not_connected` (nothing was sent), `disconnected` and `timeout`
   *   (the outcome is unknown), `closed`.
   * @param {string} message
   * @param {number} [retryMs] When to try again.
   */
  constructor(code, message, retryMs) {
    super(message);
    this.name = 'ApusError';
    this.code = code;
    this.retryMs = retryMs;
  }
}

/**
 * Keeps a position in `localStorage` or `sessionStorage`. Use one key per user.
 * @param {{ getItem(key: string): string | null, setItem(key: string, value: string): void }} area
 * @param {string} key
 * @returns {Storage}
 */
export function webStorage(area, key) {
  return {
    load: () => JSON.parse(area.getItem(key) ?? 'null'),
    save: (position) => area.setItem(key, JSON.stringify(position)),
  };
}

// ---------------------------------------------------------------------------------------------------------------------
// The client

/**
 * @typedef {{ op: string, fields: object, retry: boolean, settled: boolean, timer: any,
 *             resolve: (value: any) => void, reject: (error: Error) => void }} Request
 *
 * One connection, from dialling to its end. What arrives for a link that is no longer the current one is ignored.
 * @typedef {{ ws: any, token: string, resume: Position | null, pending: Map<number, Request>, welcomedAt: number,
 *             heardAt: number, pulling: boolean, pullTo: number, timers: Record<string, any> }} Link
 */

/** Names of the client's own signals: an event of the wire with such a name is only given to `event`. */
const signalNames = new Set(['state', 'resumed', 'resync', 'unread', 'event', 'frame']);

export class Apus {
  /** @type {Options} */ #options;
  /** @type {State} */ #state = { state: 'idle' };
  /** @type {Link | null} */ #link = null;
  /** @type {Position | null} */ #position = null;
  /** @type {Welcome | null} */ #welcome = null;
  /** @type {Unread | null} */ #unread = null;
  /** @type {Map<string, Set<Function>>} */ #listeners = new Map();
  /** @type {Request[]} Reads that wait for a connection. */ #held = [];
  /** @type {Set<string>} Topics that are wanted, whether connected or not. */ #topics = new Set();
  /** Events up to this `seq` were missed, and their totals are older than those of `welcome`. */ #missedTo = 0;
  #attempt = 0;
  /** The gateway asked not to come back before; milliseconds since 1970. */ #notBefore = 0;
  /** The gateway refused a token, and a fresh one was asked for. */ #refused = false;
  /** @type {Promise<void> | null} The position is loaded once, however often dialling is begun. */ #loading = null;
  #requestID = 0;
  /** @type {any} */ #retryTimer = null;
  /** @type {{ promise: Promise<Welcome>, resolve: (w: Welcome) => void, reject: (e: Error) => void } | null} */
  #opening = null;
  #wake = () => { if (globalThis.document?.visibilityState !== 'hidden') this.wake(); };

  /** @param {Options} options */
  constructor(options) {
    this.#options = options;
  }

  /** What the connection is doing. */
  get state() { return this.#state; }
  /** Where this client stands in the timeline; null before the first `welcome`. */
  get position() { return this.#position; }
  /** The totals behind the badge; null before the first `welcome`. */
  get unread() { return this.#unread; }
  /** The last `welcome`: user, session, node, limits. */
  get session() { return this.#welcome; }

  /**
   * Calls `fn` for a signal (`state`, `welcome`, `resumed`, `resync`, `unread`, `event`, `frame`) or for the events of
   * the wire with that `ev`.
   * @template {string} K
   * @param {K} name
   * @param {(detail: K extends keyof Signals ? Signals[K] : Frame, meta: EventMeta) => void} fn
   * @returns {() => void} ends it
   */
  on(name, fn) {
    const set = this.#listeners.get(name) ?? new Set();
    this.#listeners.set(name, set.add(fn));
    return () => { set.delete(fn); };
  }

  /**
   * Connects and stays connected until `close()` or until the gateway says that it is no use.
   * @returns {Promise<Welcome>} the first `welcome`; rejects when the client stops before it
   */
  connect() {
    if (this.#opening && this.#state.state !== 'closed') return this.#opening.promise;
    /** @type {any} */ const opening = {};
    opening.promise = new Promise((resolve, reject) => Object.assign(opening, { resolve, reject }));
    opening.promise.catch(() => {}); // Whoever only listens to `state` has not left a rejection unhandled.
    this.#opening = opening;
    this.#attempt = 0;
    this.#refused = false;
    globalThis.addEventListener?.('online', this.#wake);
    globalThis.document?.addEventListener('visibilitychange', this.#wake);
    this.#dial();
    return opening.promise;
  }

  /** Closes for good (`connect()` begins anew, and resumes). Requests under way fail with `closed`. */
  close() {
    if (this.#state.state !== 'idle' && this.#state.state !== 'closed') this.#stop(1000, 'closed by the application');
  }

  /** A reason to believe that waiting is over, or that the connection is dead: tries now. Browsers' events call it. */
  wake() {
    const link = this.#link;
    if (this.#state.state === 'reconnecting') {
      if (Date.now() >= this.#notBefore) this.#dial();
    } else if (link && this.#state.state === 'open' && Date.now() - link.heardAt > times.wakeTimeout) {
      this.#ping(link, times.wakeTimeout);
    }
  }

  // Requests ----------------------------------------------------------------------------------------------------------

  /**
   * Sends any operation of the protocol.
   * @param {string} op
   * @param {object} [fields]
   * @param {{ retry?: boolean, timeoutMs?: number }} [how] `retry`: repeating it does no harm, so it waits for a
   *   connection and is sent again when one breaks under it.
   * @returns {Promise<any>} the reply's `ok`; rejects with `ApusError`
   */
  request(op, fields = {}, how = {}) {
    const { retry = false, timeoutMs = times.request } = how;
    return new Promise((resolve, reject) => {
      /** @type {Request} */
      const request = { op, fields, retry, resolve, reject, settled: false, timer: null };
      const late = () => settle(request, new ApusError('timeout', `no reply to ${op} within ${timeoutMs} ms`));
      request.timer = setTimeout(late, timeoutMs);
      if (this.#state.state === 'open' && this.#link) this.#transmit(this.#link, request);
      else if (retry && this.#isComing()) this.#held.push(request);
      else settle(request, new ApusError('not_connected', `${op} was not sent: there is no connection`));
    });
  }

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
    return this.#counted('inbox', { before: before ?? undefined, limit, category, unread }, { retry: true });
  }

  /**
   * Marks as read: these, this one and all older, or all.
   * @param {{ ids?: string[], upTo?: string, all?: true, category?: string }} selection
   * @returns {Promise<{ unread: Unread, by_category: Record<string, number> }>}
   */
  inboxRead({ ids, upTo, all, category }) {
    return this.#counted('inbox.read', { ids, up_to: upTo, all, category });
  }

  /**
   * Live events of a topic (`topic`), until `unsubscribe`, over reconnects.
   * @param {string} topic
   */
  async subscribe(topic) {
    this.#topics.add(topic);
    try {
      return await this.request('subscribe', { topic }, { retry: true });
    } catch (error) {
      // What the gateway refused it would refuse after every reconnect.
      const refused = error instanceof ApusError && ['bad_request', 'forbidden', 'not_found'].includes(error.code);
      if (refused) this.#topics.delete(topic);
      throw error;
    }
  }

  /** @param {string} topic */
  async unsubscribe(topic) {
    this.#topics.delete(topic);
    // Without a connection there is nothing to end: only wanted topics are subscribed to again.
    return this.#state.state === 'open' ? this.request('unsubscribe', { topic }) : { topic };
  }

  /**
   * A request whose reply carries totals.
   * @param {string} op
   * @param {object} fields
   * @param {{ retry?: boolean }} [how]
   */
  async #counted(op, fields, how) {
    const before = this.#position?.seq;
    const ok = await this.request(op, fields, how);
    // An event that came in between is newer than what this reply was counted from, and has totals of its own.
    if (this.#position?.seq === before) this.#takeUnread(ok.unread);
    return ok;
  }

  #isComing() { return this.#state.state === 'connecting' || this.#state.state === 'reconnecting'; }

  /** @param {Link} link @param {Request} request */
  #transmit(link, request) {
    const id = ++this.#requestID;
    link.pending.set(id, request);
    this.#send(link, { id, op: request.op, ...request.fields });
  }

  /** @param {Link} link @param {Record<string, any>} frame */
  #send(link, frame) {
    link.ws.send(JSON.stringify(frame));
    // A token must not end in whatever a listener does with frames.
    const shown = 'token' in frame ? { ...frame, token: '…' } : frame;
    this.#emit('frame', { direction: 'out', text: JSON.stringify(shown), frame: shown, at: Date.now() });
  }

  // The life of a connection ------------------------------------------------------------------------------------------

  async #dial() {
    clearTimeout(this.#retryTimer);
    /** @type {Link} */
    const link = {
      ws: null, token: '', resume: null, pending: new Map(), welcomedAt: 0, heardAt: 0, pulling: false, pullTo: 0,
      timers: {},
    };
    this.#link = link;
    this.#setState({ state: 'connecting', attempt: this.#attempt });
    link.timers.open = setTimeout(() => this.#lost(link, 'no welcome in time'), times.open);
    const current = () => this.#link === link;
    try {
      await (this.#loading ??= this.#load());
      link.token = await this.#token();
    } catch (error) {
      if (current()) this.#lost(link, `no token: ${error instanceof Error ? error.message : error}`);
      return;
    }
    if (!current()) return;
    if (!link.token) return this.#stop(4401, 'no token');
    try {
      link.ws = new (this.#options.WebSocket ?? globalThis.WebSocket)(this.#options.url, ['apus.v1']);
    } catch (error) {
      return this.#stop(1006, `${this.#options.url}: ${error instanceof Error ? error.message : error}`);
    }
    link.ws.onopen = () => { if (current()) this.#hello(link); };
    link.ws.onmessage = (/** @type {any} */ message) => { if (current()) this.#receive(link, message.data); };
    link.ws.onclose = (/** @type {any} */ end) => { if (current()) this.#ended(link, end.code, end.reason); };
    link.ws.onerror = () => {}; // `close` follows and says more.
  }

  async #load() {
    try {
      const position = await this.#options.storage?.load();
      if (isPosition(position)) this.#position = position;
    } catch (error) {
      report(error); // Without a position the client begins at the head: nothing wrong is shown.
    }
  }

  async #token() {
    const { token } = this.#options;
    return typeof token === 'function' ? token({ refused: this.#refused }) : token;
  }

  /** @param {Link} link */
  #hello(link) {
    link.resume = this.#position;
    this.#send(link, {
      id: ++this.#requestID, op: 'hello', token: link.token, device: this.#options.device,
      resume: link.resume ?? undefined,
    });
  }

  /** @param {Link} link @param {Welcome} welcome */
  #welcomed(link, welcome) {
    clearTimeout(link.timers.open);
    link.welcomedAt = Date.now();
    this.#notBefore = 0;
    this.#refused = false;
    this.#welcome = welcome;
    this.#position = positionAfter(welcome, link.resume);
    const resumed = this.#position === link.resume;
    this.#missedTo = resumed ? welcome.seq : 0;
    this.#save();
    this.#setState({ state: 'open' });
    this.#emit('welcome', welcome);
    if (resumed) this.#emit('resumed', { missed: welcome.seq - this.#position.seq });
    else if (link.resume) this.#emit('resync', { reason: welcome.resync ?? 'unknown' });
    this.#takeUnread(welcome.unread);
    if (this.#link !== link) return; // A handler has closed it.
    this.#opening?.resolve(welcome);
    this.#scheduleHeartbeat(link);
    this.#scheduleRenewal(link);
    const held = this.#held.splice(0).filter((request) => !request.settled);
    const asked = new Set(held.filter((r) => r.op === 'subscribe').map((r) => /** @type {any} */ (r.fields).topic));
    for (const topic of this.#topics) if (!asked.has(topic)) this.subscribe(topic).catch(() => {});
    for (const request of held) {
      const { topic } = /** @type {any} */ (request.fields);
      if (request.op === 'subscribe' && !this.#topics.has(topic)) settle(request, null, { topic });
      else this.#transmit(link, request);
    }
  }

  /**
   * Gives up a connection and comes back.
   * @param {Link} link
   * @param {string} reason
   * @param {number} [waitMs] in place of the back-off
   */
  #lost(link, reason, waitMs) {
    if (this.#link !== link) return;
    this.#release(link);
    this.#comeBack(1006, reason, waitMs);
  }

  /** @param {Link} link @param {number} code @param {string} reason @param {number} [waitMs] */
  #ended(link, code, reason, waitMs) {
    const policy = closePolicy(code);
    if (policy === 'stay' || policy === 'stop') return this.#stop(code, reason);
    if (policy === 'renew') {
      if (typeof this.#options.token !== 'function' || this.#refused) return this.#stop(code, reason);
      this.#refused = true;
    }
    this.#release(link);
    this.#comeBack(code, reason, waitMs);
  }

  /** @param {number} code @param {string} [reason] @param {number} [waitMs] in place of the back-off */
  #comeBack(code, reason, waitMs) {
    const backoff = backoffMs(this.#attempt, this.#random());
    const asked = this.#notBefore - Date.now();
    const delayMs = waitMs ?? (asked > 0 ? asked : backoff);
    this.#attempt += 1;
    this.#retryTimer = setTimeout(() => this.#dial(), delayMs);
    this.#setState({ state: 'reconnecting', attempt: this.#attempt, delayMs, at: Date.now() + delayMs, code, reason });
  }

  /** @param {number} code @param {string} [reason] */
  #stop(code, reason) {
    clearTimeout(this.#retryTimer);
    globalThis.removeEventListener?.('online', this.#wake);
    globalThis.document?.removeEventListener('visibilitychange', this.#wake);
    const error = new ApusError('closed', reason || `closed with ${code}`);
    if (this.#link) this.#release(this.#link, error);
    for (const request of this.#held.splice(0)) settle(request, error);
    this.#opening?.reject(error);
    this.#setState({ state: 'closed', code, reason });
  }

  /**
   * Lets go of a connection: nothing of it is heard any more.
   * @param {Link} link
   * @param {ApusError} [error] what its requests fail with; absent: the loss of a connection that comes back
   */
  #release(link, error) {
    this.#link = null;
    for (const timer of Object.values(link.timers)) clearTimeout(timer);
    if (link.welcomedAt && Date.now() - link.welcomedAt >= times.stable) this.#attempt = 0;
    link.ws?.close(1000);
    for (const request of link.pending.values()) {
      if (request.retry && !error) this.#held.push(request);
      else settle(request, error ?? new ApusError('disconnected', `the connection broke under ${request.op}`));
    }
  }

  // What arrives ------------------------------------------------------------------------------------------------------

  /** @param {Link} link @param {string} text */
  #receive(link, text) {
    link.heardAt = Date.now();
    /** @type {Frame | null} */ let frame = null;
    try { frame = JSON.parse(text); } catch { /* Judged below. */ }
    this.#emit('frame', { direction: 'in', text, frame, at: link.heardAt });
    if (this.#link !== link) return;
    if (frame === null || typeof frame !== 'object') return this.#lost(link, 'not a frame of the protocol');
    if (frame.ev === 'welcome' && !link.welcomedAt) this.#welcomed(link, /** @type {Welcome} */ (frame));
    else if (frame.re !== undefined) this.#reply(link, frame);
    else if (typeof frame.ev === 'string') this.#event(link, frame);
  }

  /** @param {Link} link @param {Frame} frame */
  #reply(link, { re, ok, error }) {
    const refused = error && new ApusError(error.code, error.message ?? error.code, error.retry_ms);
    if (!link.welcomedAt) {
      if (refused) this.#helloRefused(link, refused);
      return;
    }
    const request = link.pending.get(Number(re));
    link.pending.delete(Number(re));
    if (request) settle(request, refused, ok);
  }

  /** @param {Link} link @param {ApusError} error */
  #helloRefused(link, error) {
    // All who were refused together got the same time, so the back-off's jitter comes on top.
    const waitMs = error.retryMs === undefined ? undefined : error.retryMs + backoffMs(this.#attempt, this.#random());
    if (waitMs !== undefined) this.#notBefore = Date.now() + waitMs;
    this.#ended(link, refusalCloseCode(error.code), error.message, waitMs);
  }

  /** @param {Link} link @param {Frame} event */
  #event(link, event) {
    const position = this.#position;
    if (!position || !link.welcomedAt) return;
    switch (judge(position, event)) {
      case 'next': this.#advance(position, event); break;
      case 'hole': this.#pull(link, event.seq ?? 0); break;
      case 'conflict': this.#lost(link, 'the timeline changed'); break;
      case 'live': this.#live(link, event); break;
      case 'old': break;
    }
  }

  /** @param {Position} position @param {Frame} event the next one */
  #advance(position, event) {
    const seq = event.seq ?? 0;
    this.#position = makePosition(position.epoch, seq, event.id);
    const missed = seq <= this.#missedTo;
    this.#deliver(event, { missed });
    if (!missed) this.#takeUnread(event.unread); // `welcome` had newer totals than what was missed before it.
    this.#save();
  }

  /** @param {Link} link @param {Frame} event */
  #live(link, event) {
    if (event.ev === 'behind') this.#pull(link, event.seq ?? 0);
    if (event.ev === 'draining') {
      const waitMs = Math.max(0, Number(event.reconnect_ms) || 0);
      this.#notBefore = Date.now() + waitMs;
      clearTimeout(link.timers.drain);
      link.timers.drain = setTimeout(() => this.#lost(link, 'the node is draining', 0), waitMs);
    }
    this.#deliver(event, { missed: false });
  }

  /** @param {Frame} event @param {EventMeta} meta */
  #deliver(event, meta) {
    this.#emit('event', event, meta);
    if (event.ev && !signalNames.has(event.ev)) this.#emit(event.ev, event, meta);
  }

  /**
   * Pulls the timeline up to `target` and on to its head. Events that arrive meanwhile either are the next one or are
   * pulled as well, so nothing has to be kept aside and nothing is given twice.
   * @param {Link} link @param {number} target
   */
  async #pull(link, target) {
    link.pullTo = Math.max(link.pullTo, target);
    if (link.pulling) return;
    link.pulling = true;
    try {
      while (this.#link === link && this.#position && this.#position.seq < link.pullTo) {
        const page = await this.request('sync', { after: this.#position.seq, limit: syncPage });
        if (this.#link !== link) return;
        if (!this.#takePage(link, page)) return this.#lost(link, 'the timeline has a hole'); // Resuming tells why.
      }
    } catch (error) {
      if (this.#link !== link) return;
      const retryMs = error instanceof ApusError ? error.retryMs : undefined;
      if (retryMs === undefined) return this.#lost(link, 'the timeline cannot be pulled');
      link.timers.pull = setTimeout(() => this.#pull(link, link.pullTo), retryMs);
    } finally {
      link.pulling = false;
    }
  }

  /** @param {Link} link @param {any} page of `sync` @returns {boolean} whether it led on */
  #takePage(link, page) {
    const from = this.#position;
    if (!from || page.epoch !== from.epoch) return false;
    link.pullTo = Math.max(link.pullTo, page.head);
    for (const event of page.events) {
      if (this.#link !== link) return true; // A handler has closed it.
      const position = this.#position ?? from;
      if (judge(position, event) === 'next') this.#advance(position, event);
    }
    const { seq } = this.#position ?? from;
    return seq > from.seq || seq >= link.pullTo;
  }

  // Heartbeat and token -----------------------------------------------------------------------------------------------

  /** @param {Link} link */
  #scheduleHeartbeat(link) {
    const every = this.#options.pingMs ?? this.#welcome?.ping_ms ?? times.ping;
    clearTimeout(link.timers.ping);
    link.timers.ping = setTimeout(() => this.#ping(link, times.pingTimeout), every * (0.9 + 0.2 * this.#random()));
  }

  /** @param {Link} link @param {number} timeoutMs */
  async #ping(link, timeoutMs) {
    clearTimeout(link.timers.ping);
    const sentAt = Date.now();
    const from = this.#position?.seq ?? 0;
    try {
      const { seq } = await this.request('ping', {}, { timeoutMs });
      if (this.#link !== link) return;
      if (seq > (this.#position?.seq ?? 0)) this.#pull(link, seq); // The last event was lost on its way.
      if (seq < from) return this.#lost(link, 'the timeline went back');
    } catch (error) {
      if (this.#link !== link) return;
      // Timers of a page in the background are late: only silence counts. An error reply is a sign of life.
      const silent = error instanceof ApusError && error.code === 'timeout' && link.heardAt <= sentAt;
      if (silent) return this.#lost(link, 'no answer to a heartbeat');
    }
    this.#scheduleHeartbeat(link);
  }

  /** @param {Link} link */
  #scheduleRenewal(link) {
    const expiry = expiryOf(link.token);
    if (typeof this.#options.token !== 'function' || expiry === null) return;
    const after = renewAfterMs(expiry - Date.now(), this.#random());
    clearTimeout(link.timers.renew);
    if (after !== null) link.timers.renew = setTimeout(() => this.#renew(link), after);
  }

  /** @param {Link} link */
  async #renew(link) {
    try {
      const token = await this.#token();
      if (this.#link !== link) return;
      await this.request('auth', { token });
      link.token = token;
    } catch { /* The next try comes in what time is left; at the end of it the gateway closes with 4401. */ }
    if (this.#link === link) this.#scheduleRenewal(link);
  }

  // Small things ------------------------------------------------------------------------------------------------------

  #random() { return (this.#options.random ?? Math.random)(); }

  /** @param {Unread | undefined} unread */
  #takeUnread(unread) {
    const had = this.#unread;
    if (!unread || (had?.messages === unread.messages && had?.notifications === unread.notifications)) return;
    this.#unread = unread;
    this.#emit('unread', unread);
  }

  async #save() {
    try {
      if (this.#position) await this.#options.storage?.save(this.#position);
    } catch (error) {
      report(error); // A full or forbidden storage costs the resume after a reload, not the connection.
    }
  }

  /** @param {State} state */
  #setState(state) {
    this.#state = state;
    this.#emit('state', state);
  }

  /** @param {string} name @param {any} detail @param {EventMeta} [meta] */
  #emit(name, detail, meta = { missed: false }) {
    for (const fn of [...(this.#listeners.get(name) ?? [])]) {
      try { fn(detail, meta); } catch (error) { report(error); } // One bad handler must not lose events for the others.
    }
  }
}

/** @param {Request} request @param {Error | null | undefined} error @param {any} [ok] */
function settle(request, error, ok) {
  if (request.settled) return;
  request.settled = true;
  clearTimeout(request.timer);
  if (error) request.reject(error);
  else request.resolve(ok);
}

/**
 * Makes an error of the application's own code visible without stopping the client.
 * @param {unknown} error
 */
function report(error) {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(error);
  else console.error(error);
}
