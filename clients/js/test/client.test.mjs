// @ts-check
import assert from 'node:assert/strict';
import { afterEach, beforeEach, mock, test } from 'node:test';
import { Clock, calm } from '../../testing/clock.mjs';
import { FakeGateway, token } from '../../testing/fake-gateway.mjs';
import { endWithin } from '../../testing/watchdog.mjs';
import { Apus, times } from '../apus.js';

endWithin(60);
const clock = new Clock();

/** @type {FakeGateway} */ let gateway;
/** @type {Apus} */ let apus;
/** @type {any[]} What happened, in order. */ let log;
/** @type {Promise<any>} What connect() gave. */ let opening;

beforeEach(() => {
  clock.start(1_000_000);
  gateway = new FakeGateway();
});
afterEach(() => {
  apus.close();
  clock.stop();
});

/** Connects a client. @param {object} [options] */
async function start(options = {}) {
  const { WebSocket } = gateway;
  apus = new Apus({ url: 'ws://gateway/ws', token: token(), WebSocket, random: () => 0.5, ...options });
  log = [];
  apus.on('notification', (event, { missed }) => log.push(missed ? `missed ${event.seq}` : event.seq));
  apus.on('resumed', ({ missed }) => log.push(`resumed ${missed}`));
  apus.on('resync', ({ reason }) => log.push(`resync ${reason}`));
  opening = apus.connect();
  await calm();
}

/** @param {number} ms */
const pass = (ms) => clock.pass(ms);

// Hello and resume

test('hello is the first frame, carries the token and not the address, and connect() gives the welcome', async () => {
  await start({ token: 'secret', device: 'web-1' });
  const welcome = await apus.connect();
  assert.equal(/** @type {any} */ (gateway.socket).url, 'ws://gateway/ws');
  assert.deepEqual(/** @type {any} */ (gateway.socket).protocols, ['apus.v1']);
  assert.deepEqual(gateway.received[0], { id: 1, op: 'hello', token: 'secret', device: 'web-1' });
  assert.equal(welcome.user, 'alice');
  assert.equal(apus.state.state, 'open');
});

test('without a position the client begins at the head', async () => {
  gateway.publish();
  gateway.publish();
  await start();
  gateway.publish();
  assert.deepEqual(log, [3]);
  assert.deepEqual(apus.position, { epoch: 'e1', seq: 3, last: 'e1-3' });
});

test('after a loss it resumes from the last event, and what was missed comes once, in order, marked', async () => {
  await start();
  gateway.publish();
  gateway.socket.end(1006);
  gateway.publish();
  gateway.publish();
  await pass(times.backoffBase);
  gateway.publish();
  assert.deepEqual(gateway.requests('hello')[1].resume, { epoch: 'e1', seq: 1, last: 'e1-1' });
  assert.deepEqual(log, [1, 'resumed 2', 'missed 2', 'missed 3', 4]);
});

test('a position that the gateway does not take is said to be resynced, and the head is adopted', async () => {
  await start();
  gateway.publish();
  gateway.publish();
  gateway.loseTail(0);
  gateway.epoch = 'e2';
  gateway.socket.end(4510);
  await pass(times.backoffBase);
  assert.deepEqual(log, [1, 2, 'resync epoch_changed']);
  assert.deepEqual(apus.position, { epoch: 'e2', seq: 0 });
});

test('a position outlives the client in its storage, and rubbish in there is ignored', async () => {
  /** @type {any} */ let stored = { epoch: 'e1', seq: '1' };
  const storage = { load: async () => stored, save: (/** @type {any} */ position) => { stored = position; } };
  await start({ storage });
  assert.equal(gateway.received[0].resume, undefined);
  gateway.publish();
  apus.close();
  gateway.publish({}, { silent: true });
  await start({ storage });
  assert.deepEqual(log, ['resumed 1', 'missed 2']);
  assert.deepEqual(stored, { epoch: 'e1', seq: 2, last: 'e1-2' });
});

test('a storage that fails costs nothing but the resume', async () => {
  const error = mock.method(console, 'error', () => {});
  await start({ storage: { load() { throw new Error('forbidden'); }, async save() { throw new Error('full'); } } });
  gateway.publish();
  await calm();
  assert.deepEqual(log, [1]);
  assert.ok(error.mock.callCount() >= 2);
  error.mock.restore();
});

// Order without holes

test('an event beyond a hole is given after what was lost, each once', async () => {
  await start();
  gateway.publish({}, { silent: true });
  gateway.publish({}, { silent: true });
  gateway.publish();
  gateway.publish();
  await calm();
  assert.deepEqual(log, [1, 2, 3, 4]);
  assert.equal(gateway.requests('sync').length, 2, 'one pull of two pages');
});

test('an event that comes twice is given once', async () => {
  await start();
  const event = gateway.publish();
  gateway.socket.say(event);
  assert.deepEqual(log, [1]);
});

test('behind is answered by pulling to the head, over as many pages as it takes', async () => {
  await start();
  for (let n = 0; n < 8; n += 1) gateway.publish({}, { silent: true });
  gateway.socket.say({ ev: 'behind', seq: 5 });
  await calm();
  assert.deepEqual(log, [1, 2, 3, 4, 5, 6, 7, 8]);
});

test('a pull that the gateway cannot serve now is repeated when it said', async () => {
  await start();
  gateway.answers.set('sync', [{ error: { code: 'unavailable', message: 'away', retry_ms: 700 } }]);
  gateway.publish({}, { silent: true });
  gateway.publish();
  await calm();
  assert.deepEqual(log, []);
  await pass(700);
  assert.deepEqual(log, [1, 2]);
  assert.equal(gateway.sockets.length, 1);
});

test('a pull that brings another epoch, or leaves the hole open, ends in a resume that says why', async () => {
  for (const page of [{ epoch: 'e2', events: [{ ev: 'notification', seq: 1, id: 'x' }], head: 9, more: false },
    { epoch: 'e1', events: [{ ev: 'notification', seq: 9, id: 'x' }], head: 9, more: false },
    { epoch: 'e1', events: [], head: 2, more: false }]) {
    gateway = new FakeGateway();
    await start();
    gateway.answers.set('sync', [{ ok: page }]);
    gateway.publish({}, { silent: true });
    gateway.publish();
    await calm();
    await pass(times.backoffBase);
    assert.equal(gateway.sockets.length, 2);
    assert.deepEqual(log, ['resumed 2', 'missed 1', 'missed 2']);
    apus.close();
  }
});

test('another event under the number of the last one means a lost tail: never shown, resynced', async () => {
  await start();
  gateway.publish();
  gateway.loseTail(0);
  gateway.epoch = 'e1b';
  gateway.publish({ id: 'other' });
  gateway.epoch = 'e1';
  await pass(times.backoffBase);
  assert.deepEqual(log, [1, 'resync id_mismatch']);
});

test('the heartbeat finds a last event that was lost', async () => {
  await start();
  gateway.publish({}, { silent: true });
  await pass(25_000);
  assert.deepEqual(log, [1]);
});

test('the heartbeat finds a head that went back, but not one that an event overtook', async () => {
  await start();
  gateway.publish();
  gateway.mute.add('ping');
  await pass(25_000);
  const { id } = gateway.requests('ping')[0];
  gateway.publish();
  gateway.socket.say({ re: id, ok: { seq: 1 } });
  await calm();
  assert.equal(apus.state.state, 'open');
  gateway.mute.clear();
  gateway.loseTail(1);
  await pass(25_000);
  await pass(times.backoffBase);
  assert.deepEqual(log, [1, 2, 'resync ahead']);
});

// Totals

test('totals come with welcome and events; those of missed events are older than those of welcome', async () => {
  /** @type {number[]} */ const totals = [];
  gateway.publish();
  await start();
  apus.on('unread', ({ notifications }) => totals.push(notifications));
  gateway.publish();
  gateway.socket.end(1006);
  gateway.publish();
  gateway.publish();
  await pass(times.backoffBase);
  gateway.publish();
  assert.deepEqual(totals, [2, 4, 5]);
  assert.deepEqual(apus.unread, { messages: 0, notifications: 5 });
});

test('totals in a reply count unless an event came while it was under way', async () => {
  await start();
  gateway.publish();
  await apus.inboxRead({ all: true });
  assert.equal(apus.unread?.notifications, 0);

  gateway.mute.add('inbox');
  const page = apus.inbox();
  await calm();
  gateway.publish();
  const ok = { items: [], unread: { messages: 0, notifications: 0 }, by_category: {} };
  gateway.socket.say({ re: gateway.requests('inbox')[0].id, ok });
  await page;
  assert.equal(apus.unread?.notifications, 1);
});

// Requests

test('the typed calls speak the protocol', async () => {
  await start();
  await apus.ping();
  await apus.sync({ after: 0, limit: 10 });
  await apus.inbox({ before: 'c1', limit: 20, category: 'like', unread: true });
  await apus.inbox();
  await apus.inboxRead({ ids: ['a'] });
  await apus.inboxRead({ upTo: 'a', category: 'like' });
  await apus.inboxRead({ all: true });
  assert.deepEqual(gateway.received.slice(1).map(({ id, ...frame }) => frame), [
    { op: 'ping' },
    { op: 'sync', after: 0, limit: 10 },
    { op: 'inbox', before: 'c1', limit: 20, category: 'like', unread: true },
    { op: 'inbox' },
    { op: 'inbox.read', ids: ['a'] },
    { op: 'inbox.read', up_to: 'a', category: 'like' },
    { op: 'inbox.read', all: true },
  ]);
});

test('an error reply rejects with its code and time', async () => {
  await start();
  gateway.answers.set('inbox.read', [{ error: { code: 'rate_limited', message: 'slow down', retry_ms: 1000 } }]);
  await assert.rejects(apus.inboxRead({ all: true }),
    { name: 'ApusError', code: 'rate_limited', message: 'slow down', retryMs: 1000 });
});

test('when the connection breaks, a change has an unknown outcome and a read is asked again', async () => {
  await start();
  gateway.mute.add('inbox').add('inbox.read');
  const read = apus.inbox();
  const change = apus.inboxRead({ all: true });
  change.catch(() => {});
  await calm();
  gateway.mute.clear();
  gateway.socket.end(1006);
  await assert.rejects(change, { code: 'disconnected' });
  await pass(times.backoffBase);
  assert.deepEqual((await read).items, []);
  assert.equal(gateway.requests('inbox').length, 2);
  assert.equal(gateway.requests('inbox.read').length, 1);
});

test('while there is no connection a read waits, and a change says that nothing was sent', async () => {
  await start();
  gateway.socket.end(1006);
  const read = apus.inbox();
  await assert.rejects(apus.inboxRead({ all: true }), { code: 'not_connected' });
  await pass(times.backoffBase);
  assert.deepEqual((await read).items, []);
});

test('a request without a reply ends in a timeout, and a late reply harms nobody', async () => {
  await start();
  gateway.mute.add('inbox.read');
  const change = apus.inboxRead({ all: true });
  change.catch(() => {});
  await pass(times.request);
  await assert.rejects(change, { code: 'timeout' });
  gateway.socket.say({ re: gateway.requests('inbox.read')[0].id, ok: {} });
  assert.equal(apus.state.state, 'open');
});

test('topics are subscribed to again after a reconnect, and only those still wanted', async () => {
  await start();
  await apus.subscribe('a');
  await apus.subscribe('b');
  await apus.unsubscribe('a');
  gateway.answers.set('subscribe', [{ error: { code: 'forbidden', message: 'no' } }]);
  await assert.rejects(apus.subscribe('c'), { code: 'forbidden' });
  gateway.socket.end(1006);
  const later = apus.subscribe('d');
  const never = apus.subscribe('e');
  await apus.unsubscribe('e');
  gateway.received = [];
  await pass(times.backoffBase);
  await Promise.all([later, never]);
  assert.deepEqual(gateway.requests('subscribe').map(({ topic }) => topic).sort(), ['b', 'd']);
});

// Reconnecting

test('retries wait longer and longer, and a connection that does not last does not reset that', async () => {
  await start();
  /** @type {any[]} */ const delays = [];
  apus.on('state', (state) => { if (state.state === 'reconnecting') delays.push(state.delayMs); });
  gateway.up = false;
  gateway.socket.end(1006);
  for (let n = 0; n < 4; n += 1) await pass(delays[delays.length - 1]);
  assert.deepEqual(delays, [250, 500, 1000, 2000, 4000]);
  gateway.up = true;
  await pass(4000);
  gateway.socket.end(1011);
  assert.equal(delays.pop(), 8000);
  await pass(8000);
  await pass(times.stable);
  gateway.socket.end(1011);
  assert.equal(delays.pop(), 250);
});

test('a gateway that does not welcome in time is given up', async () => {
  gateway.mute.add('hello');
  await start();
  await pass(times.open);
  assert.equal(apus.state.state, 'reconnecting');
  assert.equal(gateway.sockets[0].closedWith, 1000);
  gateway.mute.clear();
  await pass(times.backoffBase);
  assert.equal(apus.state.state, 'open');
});

test('silence after a heartbeat is a dead connection; any frame is a sign of life', async () => {
  await start();
  gateway.mute.add('ping');
  await pass(25_000);
  await pass(5_000);
  gateway.publish();
  await pass(5_000);
  assert.equal(apus.state.state, 'open');
  await pass(25_000);
  await pass(times.pingTimeout);
  assert.equal(apus.state.state, 'reconnecting');
});

test('what a connection says after it was given up is not heard', async () => {
  await start();
  const dead = gateway.socket;
  gateway.mute.add('ping');
  const { onmessage } = dead;
  await pass(25_000);
  await pass(times.pingTimeout);
  let frames = 0;
  apus.on('frame', () => { frames += 1; });
  onmessage({ data: JSON.stringify({ ev: 'notification', seq: 1, id: 'ghost' }) });
  assert.equal(frames, 0);
  await pass(times.backoffBase);
  assert.deepEqual(log, ['resumed 0']);
});

test('draining: the client resumes when it was told to, also when the node closes earlier', async () => {
  for (const closes of [true, false]) {
    gateway = new FakeGateway();
    await start();
    gateway.socket.say({ ev: 'draining', reconnect_ms: 1830 });
    await pass(1000);
    if (closes) gateway.socket.end(4512);
    gateway.publish({}, { silent: true });
    await pass(829);
    assert.equal(gateway.sockets.length, 1);
    await pass(1);
    assert.equal(gateway.sockets.length, 2);
    assert.deepEqual(log, ['resumed 1', 'missed 1']);
    apus.close();
  }
});

test('an overloaded gateway is left alone for as long as it asks, also when the user is back', async () => {
  gateway.helloErrors.push({ code: 'unavailable', message: 'no store', retry_ms: 3000 });
  await start();
  assert.equal(apus.state.state, 'reconnecting');
  apus.wake();
  await pass(3000);
  assert.equal(gateway.sockets.length, 1);
  await pass(250);
  assert.equal(apus.state.state, 'open');
});

test('waking up ends the wait, and asks a quiet connection for a sign of life', async () => {
  await start();
  gateway.up = false;
  gateway.socket.end(1006);
  for (let n = 0; n < 6; n += 1) await pass(20_000);
  gateway.up = true;
  apus.wake();
  await calm();
  assert.equal(apus.state.state, 'open');
  gateway.mute.add('ping');
  apus.wake();
  await calm();
  assert.equal(gateway.requests('ping').length, 0, 'it spoke just now');
  await pass(times.wakeTimeout + 1);
  apus.wake();
  await pass(times.wakeTimeout);
  assert.equal(apus.state.state, 'reconnecting');
});

test('what is not JSON ends the connection, what is unknown is ignored', async () => {
  await start();
  gateway.socket.say({ ev: 'from.the.future', surprise: 1 });
  gateway.socket.say({ neither: 'this nor that' });
  assert.equal(apus.state.state, 'open');
  gateway.socket.say('{');
  assert.equal(apus.state.state, 'reconnecting');
});

// Close codes and tokens

test("a close that is the client's fault is final until connect() is called", async () => {
  await start();
  gateway.socket.end(4409, 'too many sessions of this user');
  await pass(60_000);
  assert.equal(gateway.sockets.length, 1);
  assert.deepEqual(apus.state, { state: 'closed', code: 4409, reason: 'too many sessions of this user' });
  apus.connect();
  await calm();
  assert.equal(apus.state.state, 'open');
});

test('a refused token: a fresh one is asked for once; refused again, the client stops', async () => {
  /** @type {any[]} */ const asked = [];
  const expired = { code: 'unauthenticated', message: 'expired' };
  gateway.helloErrors.push(expired, expired);
  await start({ token: (/** @type {any} */ why) => { asked.push(why.refused); return 'jwt'; } });
  await pass(times.backoffBase);
  await pass(60_000);
  assert.deepEqual(asked, [false, true]);
  assert.deepEqual(apus.state, { state: 'closed', code: 4401, reason: 'expired' });
});

test('a token that expired under way is replaced, as often as it takes when each works', async () => {
  await start({ token: () => 'jwt' });
  for (let n = 0; n < 3; n += 1) {
    gateway.socket.end(4401);
    await pass(times.backoffCap);
    assert.equal(apus.state.state, 'open');
  }
});

test('a fixed token that is refused stops at once, and connect() rejects', async () => {
  gateway.helloErrors.push({ code: 'unauthenticated', message: 'bad signature' });
  await start({ token: 'fixed' });
  await assert.rejects(opening, { code: 'closed', message: 'bad signature' });
  assert.equal(apus.state.state, 'closed');
  assert.equal(gateway.sockets.length, 1);
});

test('a token that cannot be had now is asked for again later', async () => {
  let tries = 0;
  await start({ token: async () => { tries += 1; if (tries < 3) throw new Error('offline'); return 'jwt'; } });
  assert.equal(apus.state.reason, 'no token: offline');
  await pass(times.backoffBase);
  await pass(times.backoffBase * 2);
  assert.equal(apus.state.state, 'open');
});

test('a token is renewed before it expires, without reconnecting', async () => {
  const now = 1_000_000;
  const tokens = [token((now + 100_000) / 1000), token((now + 200_000) / 1000)];
  await start({ token: () => tokens.shift() ?? 'none' });
  await pass(80_000);
  assert.equal(gateway.requests('auth').length, 1);
  await pass(20_000);
  assert.equal(gateway.sockets.length, 1);
});

// The application's side

test('a handler that throws loses nothing for the others', async () => {
  const error = mock.method(console, 'error', () => {});
  await start();
  apus.on('event', () => { throw new Error('mine'); });
  gateway.publish();
  gateway.publish();
  assert.deepEqual(log, [1, 2]);
  assert.equal(error.mock.callCount(), 2);
  error.mock.restore();
});

test('on() gives the way to end it', async () => {
  await start();
  let heard = 0;
  const end = apus.on('notification', () => { heard += 1; });
  gateway.publish();
  end();
  gateway.publish();
  assert.equal(heard, 1);
});

test('frames are shown both ways, without the token', async () => {
  await start();
  /** @type {any[]} */ const frames = [];
  apus.on('frame', (frame) => frames.push(frame));
  gateway.socket.end(1006);
  await pass(times.backoffBase);
  const seen = frames.map(({ direction, frame }) => `${direction} ${frame.op ?? frame.ev}`);
  assert.deepEqual(seen, ['out hello', 'in welcome']);
  assert.equal(frames[0].frame.token, '…');
  assert.ok(!frames[0].text.includes('sig'));
});

test('close() while a token is being fetched dials nobody', async () => {
  /** @type {any} */ let give;
  await start({ token: () => new Promise((resolve) => { give = resolve; }) });
  apus.close();
  give('jwt');
  await calm();
  assert.equal(gateway.sockets.length, 0);
});

test('close() leaves no timer behind that would keep a process alive', async () => {
  clock.stop();
  const timers = () => process.getActiveResourcesInfo().filter((kind) => kind === 'Timeout').length;
  const before = timers();
  await start({ token: () => token(Date.now() / 1000 + 1000) });
  assert.ok(timers() > before);
  apus.close();
  assert.equal(timers(), before);
});

test('close() is final and frees what waits', async () => {
  await start();
  gateway.mute.add('inbox');
  const read = apus.inbox();
  read.catch(() => {});
  await calm();
  apus.close();
  await assert.rejects(read, { code: 'closed' });
  assert.equal(gateway.socket.closedWith, 1000);
  await pass(120_000);
  assert.equal(gateway.sockets.length, 1);
  await assert.rejects(apus.inbox(), { code: 'not_connected' });
});

test('close() inside a handler is obeyed at once', async () => {
  await start();
  gateway.publish({}, { silent: true });
  gateway.publish({}, { silent: true });
  apus.on('notification', () => apus.close());
  gateway.publish();
  await calm();
  assert.deepEqual(log, [1]);
  assert.equal(apus.state.state, 'closed');
});
