// @ts-check
/**
 * What the client decides, without sockets and timers: what a close code means, how long to wait, which event is next,
 * whether a message is sent again. `apus-connection.js` and `apus-outbox.js` perform.
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
 * Where a position outlives the page. `save` is called after the handlers of an event have run.
 * @typedef {{ load(): Position | null | Promise<Position | null>,
 *             save(position: Position): void | Promise<void> }} Storage
 */

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
  /** How long a message is repeated: the gateway knows a `cid` for 24 h, and would store it again after that. */
  repeat: 23 * 3_600_000,
  /** What `setTimeout` can take; tokens may live longer. */
  timerMax: 2 ** 31 - 1,
});

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
export function makePosition(epoch, seq, last) {
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

/**
 * What becomes of a message whose `send` failed. Its `cid` makes repeating it harmless.
 * `wait`: until there is a connection. `again`: soon. `refused`: never.
 * @param {string} code of the `ApusError`
 * @returns {'wait' | 'again' | 'refused'}
 */
export function sendPolicy(code) {
  switch (code) {
    case 'not_connected': case 'disconnected': return 'wait';
    case 'unavailable': case 'rate_limited': case 'timeout': return 'again';
    default: return 'refused';
  }
}

/**
 * The id of the direct conversation of two users (docs/protocol.md, ADR 11). `send` with `to` needs none.
 * @param {string} one @param {string} other
 */
export function directConversation(one, other) {
  const ids = one < other ? [one, other] : [other, one]; // User ids are ASCII: this is their byte order.
  return `d:${ids.map((id) => id.replace(/:/g, '%3A')).join(':')}`;
}

/** A `cid` that no other message of the user has. (`randomUUID` is not there on pages without TLS.) */
export function newClientID() {
  const bytes = globalThis.crypto?.getRandomValues(new Uint8Array(16))
    ?? Uint8Array.from({ length: 16 }, () => Math.floor(Math.random() * 256));
  return [...bytes].map((byte) => byte.toString(16).padStart(2, '0')).join('');
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

