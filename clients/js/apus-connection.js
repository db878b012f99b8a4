// @ts-check
/**
 * One user's connection to the gateway, for as long as it is wanted: it dials, resumes, keeps the events in order, pulls
 * what is missing, renews the token, and carries requests. `apus.js` puts the protocol's operations on top.
 */

import {
  ApusError, backoffMs, closePolicy, expiryOf, isPosition, judge, makePosition, positionAfter, refusalCloseCode,
  renewAfterMs, times,
} from './apus-decisions.js';

/**
 * @typedef {import('./apus-decisions.js').Position} Position
 * @typedef {import('./apus-decisions.js').Unread} Unread
 * @typedef {import('./apus-decisions.js').Frame} Frame
 * @typedef {import('./apus-decisions.js').Welcome} Welcome
 * @typedef {import('./apus-decisions.js').Storage} Storage
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
 * }} Signals the client's own; everything else that `on` is given is an `ev` of the wire
 *
 * @typedef {(why: { refused: boolean }) => string | Promise<string>} TokenProvider
 *
 * @typedef {object} Options
 * @property {string} url `ws://` or `wss://` address of the gateway's `/ws`.
 * @property {string | TokenProvider} token A JWT, or a function that gives one. `refused` is true when the gateway has
 *   just refused the last one: skip your cache then.
 * @property {string} [device] 1–64 characters of `[A-Za-z0-9._-]`: this installation's name for itself.
 * @property {boolean} [invisible] Others do not see that this session is there. Takes effect with the next connection.
 * @property {Storage} [storage] Default: the position lives as long as this object.
 * @property {any} [WebSocket] A constructor of the browsers' shape. Default: the global one.
 * @property {number} [pingMs] Time between heartbeats. Default: what `welcome` says.
 * @property {() => number} [random] For tests.
 */

/** Events per page when the timeline is pulled: what the gateway allows at most. */
const syncPage = 500;

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

export class Connection {
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
   * @protected
   * @param {string} op
   * @param {object} fields
   * @param {{ retry?: boolean }} [how]
   */
  async counted(op, fields, how) {
    const before = this.#position?.seq;
    const ok = await this.request(op, fields, how);
    // An event that came in between is newer than what this reply was counted from, and has totals of its own.
    if (this.#position?.seq === before) this.#takeUnread(ok.unread);
    return ok;
  }

  /**
   * An event of the client's own making, in the place of one that nobody got.
   * @protected
   * @param {Frame} event
   */
  tell(event) { this.#deliver(event, { missed: false }); }

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
      resume: link.resume ?? undefined, invisible: this.#options.invisible || undefined,
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
