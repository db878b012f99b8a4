// @ts-check
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Clock, calm } from '../../testing/clock.mjs';
import { FakeGateway, token } from '../../testing/fake-gateway.mjs';
import { endWithin } from '../../testing/watchdog.mjs';
import { Apus, times } from '../apus.js';

endWithin(60);
const clock = new Clock();
const conv = 'd:alice:bob';

/** @type {FakeGateway} */ let gateway;
/** @type {Apus} Alice's client. */ let apus;
/** @type {Apus[]} */ let clients;

beforeEach(async () => {
  clock.start(1_000_000);
  gateway = new FakeGateway();
  clients = [];
  apus = await client('alice');
});
afterEach(() => {
  for (const one of clients) one.close();
  clock.stop();
});

/** Connects a client. @param {string} user */
async function client(user) {
  const { WebSocket } = gateway;
  const one = new Apus({ url: 'ws://gateway/ws', token: token(undefined, user), WebSocket, random: () => 0.5 });
  clients.push(one);
  one.connect().catch(() => {});
  await calm();
  return one;
}

/** Breaks alice's line. */
function cut() {
  gateway.socket.end(1006);
}

const reconnect = () => clock.pass(times.backoffBase);
const texts = (id = conv) => gateway.chat.conversations.get(id)?.messages.map(({ body }) => body.text) ?? [];
const say = (/** @type {string} */ text) => apus.send({ to: 'bob', body: { text } });

// The typed calls

test('the calls of messages and conversations speak the protocol', async () => {
  const first = await apus.send({ to: 'bob', cid: 'c-1', body: { text: 'a' } });
  assert.deepEqual(first, { conv, n: 1, id: `${conv}#1`, ts: 1_000_000 });
  const group = await apus.createGroup({ title: 'Nests', members: ['bob'], cid: 'c-2' });
  gateway.received = [];
  await apus.history({ conv, before: 9, limit: 5 });
  await apus.history({ conv, after: 0 });
  await apus.conversations();
  await apus.conversations({ cursor: '4', limit: 10 });
  await apus.read({ conv, n: 1 });
  await apus.read({ conv, n: 0, force: true });
  await apus.delivered({ conv, n: 1 });
  await apus.typing({ conv, on: true });
  await apus.edit({ conv, n: 1, body: { text: 'b' } });
  await apus.react({ conv, n: 1, key: '👍', on: true });
  await apus.recall({ conv, n: 1 });
  await apus.updateGroup({ conv: group.conv, title: 'Boxes' });
  await apus.addMembers({ conv: group.conv, members: ['carol'] });
  await apus.removeMembers({ conv: group.conv, members: ['carol'] });
  await apus.leaveGroup({ conv: group.conv });
  await apus.mute({ conv, on: true });
  await apus.block('bob');
  assert.deepEqual(await apus.blocks(), { users: ['bob'] });
  await apus.unblock('bob');
  assert.deepEqual(gateway.received.map(({ id, ...frame }) => frame), [
    { op: 'history', conv, before: 9, limit: 5 },
    { op: 'history', conv, after: 0 },
    { op: 'conversations' },
    { op: 'conversations', cursor: '4', limit: 10 },
    { op: 'read', conv, n: 1 },
    { op: 'read', conv, n: 0, force: true },
    { op: 'delivered', conv, n: 1 },
    { op: 'typing', conv, on: true },
    { op: 'edit', conv, n: 1, body: { text: 'b' } },
    { op: 'react', conv, n: 1, key: '👍', on: true },
    { op: 'recall', conv, n: 1 },
    { op: 'group.update', conv: group.conv, title: 'Boxes' },
    { op: 'group.add', conv: group.conv, members: ['carol'] },
    { op: 'group.remove', conv: group.conv, members: ['carol'] },
    { op: 'group.leave', conv: group.conv },
    { op: 'mute', conv, on: true },
    { op: 'block', user: 'bob' },
    { op: 'blocks' },
    { op: 'unblock', user: 'bob' },
  ]);
});

test('messages arrive as events, the own ones with their cid, and totals follow', async () => {
  /** @type {any[]} */ const heard = [];
  apus.on('message', ({ from, n, cid, body }) => heard.push([from, n, cid, body.text]));
  const bob = await client('bob');
  await apus.send({ to: 'bob', cid: 'mine', body: { text: 'hello' } });
  await bob.send({ conv, body: { text: 'hi' } });
  assert.deepEqual(heard, [['alice', 1, 'mine', 'hello'], ['bob', 2, undefined, 'hi']]);
  assert.equal(apus.unread?.messages, 1);
  await apus.read({ conv, n: 2 });
  assert.equal(apus.unread?.messages, 0);
});

// The outbox

test('a message without a cid gets one, and its body is that of the moment', async () => {
  const body = { text: 'as it was' };
  const sent = apus.send({ to: 'bob', body });
  body.text = 'changed';
  await sent;
  assert.match(gateway.requests('send')[0].cid, /^[0-9a-f]{32}$/);
  assert.deepEqual(texts(), ['as it was']);
  assert.deepEqual(apus.outbox, []);
});

test('what is sent without a connection waits, and goes in order when it is back', async () => {
  cut();
  const sent = ['one', 'two', 'three'].map(say);
  await calm();
  assert.deepEqual(apus.outbox.map(({ body }) => body.text), ['one', 'two', 'three']);
  await reconnect();
  assert.deepEqual((await Promise.all(sent)).map(({ n }) => n), [1, 2, 3]);
  assert.deepEqual(texts(), ['one', 'two', 'three']);
});

test('a message whose answer was lost is sent again under its cid, stored once, and answered', async () => {
  const answer = gateway.handle;
  // The gateway stores it, and the line breaks before the reply.
  gateway.handle = function handle(socket, frame) {
    if (frame.op !== 'send') return answer.call(this, socket, frame);
    this.received.push(frame);
    this.chat.answer('alice', frame);
    this.handle = answer;
    cut();
  };
  const first = say('once');
  const second = say('after it');
  await calm();
  await reconnect();
  assert.equal((await first).dup, true);
  assert.equal((await second).n, 2);
  const [one, again] = gateway.requests('send');
  assert.equal(one.cid, again.cid);
  assert.deepEqual(texts(), ['once', 'after it']);
});

test('none overtakes one that had to wait, in its conversation; others go on', async () => {
  gateway.answers.set('send', [{ error: { code: 'unavailable', message: 'away', retry_ms: 700 } }]);
  const late = [say('one'), say('two')];
  await apus.send({ to: 'carol', body: { text: 'elsewhere' } });
  assert.deepEqual(texts(), []);
  await clock.pass(700);
  await Promise.all(late);
  assert.deepEqual(texts(), ['one', 'two']);
});

test('`to` and `conv` of one conversation are one line', async () => {
  gateway.answers.set('send', [{ error: { code: 'rate_limited', message: 'slow down', retry_ms: 100 } }]);
  const first = say('by user');
  const second = apus.send({ conv, body: { text: 'by conversation' } });
  await calm();
  await clock.pass(100);
  await Promise.all([first, second]);
  assert.deepEqual(texts(), ['by user', 'by conversation']);
});

test('a wait that the gateway asked for is kept over a reconnect', async () => {
  gateway.answers.set('send', [{ error: { code: 'unavailable', message: 'away', retry_ms: 5000 } }]);
  const sent = say('patient');
  await calm();
  cut();
  await reconnect();
  assert.equal(gateway.requests('send').length, 1);
  await clock.pass(5000);
  assert.equal((await sent).n, 1);
});

test('no answer on a living connection: it is asked again', async () => {
  gateway.mute.add('send');
  const sent = say('heard?');
  await clock.pass(times.request);
  gateway.mute.clear();
  await clock.pass(times.backoffBase);
  assert.equal((await sent).n, 1);
  assert.equal(gateway.sockets.length, 1);
});

test('what the gateway refuses rejects, and the next one goes', async () => {
  await apus.block('bob');
  const refused = say('no');
  refused.catch(() => {});
  const other = apus.send({ to: 'carol', body: { text: 'yes' } });
  await assert.rejects(refused, { code: 'forbidden' });
  assert.equal((await other).n, 1);
  await apus.unblock('bob');
  assert.equal((await say('again')).n, 1);
});

test('the same cid given twice is one message; with another body it is a conflict', async () => {
  gateway.mute.add('send');
  const one = apus.send({ to: 'bob', cid: 'same', body: { text: 'x' } });
  const two = apus.send({ to: 'bob', cid: 'same', body: { text: 'x' } });
  await calm();
  gateway.mute.clear();
  cut();
  await reconnect();
  assert.deepEqual(await one, await two);
  await assert.rejects(apus.send({ to: 'bob', cid: 'same', body: { text: 'y' } }), { code: 'conflict' });
  assert.deepEqual(texts(), ['x']);
});

test('a message that may have been stored is not repeated once the gateway may have forgotten its cid', async () => {
  gateway.mute.add('send');
  const tried = say('old');
  tried.catch(() => {});
  await calm();
  gateway.up = false;
  cut();
  const waiting = say('never tried');
  clock.leap(times.repeat + 1);
  gateway.mute.clear();
  gateway.up = true;
  apus.wake();
  await calm();
  await assert.rejects(tried, { code: 'timeout' });
  assert.equal((await waiting).n, 1);
  assert.deepEqual(texts(), ['never tried']);
});

test('close() rejects what is on its way, and nothing can be sent on a closed client', async () => {
  cut();
  const waiting = say('never');
  await calm();
  apus.close();
  await assert.rejects(waiting, { code: 'closed' });
  await assert.rejects(say('later'), { code: 'not_connected' });
  assert.deepEqual(apus.outbox, []);
});
