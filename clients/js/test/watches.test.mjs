// @ts-check
import assert from 'node:assert/strict';
import { afterEach, beforeEach, test } from 'node:test';
import { Clock, calm } from '../../testing/clock.mjs';
import { FakeGateway, token } from '../../testing/fake-gateway.mjs';
import { endWithin } from '../../testing/watchdog.mjs';
import { Apus } from '../apus.js';

endWithin(60);
const clock = new Clock();

/** @type {FakeGateway} */ let gateway;
/** @type {Apus} */ let apus;
/** @type {string[]} What was told. */ let log;

beforeEach(async () => {
  clock.start(1_000_000);
  gateway = new FakeGateway();
  const { WebSocket } = gateway;
  apus = new Apus({ url: 'ws://gateway/ws', token: token(), WebSocket, random: () => 0.5 });
  log = [];
  apus.on('presence', ({ user, state }) => log.push(`${user} ${state}`));
  apus.connect();
  await calm();
});
afterEach(() => {
  apus.close();
  clock.stop();
});

test('watch gives the states, and keeps them as events come', async () => {
  gateway.present.add('bob');
  const states = await apus.watch(['bob', 'carol']);
  assert.deepEqual(states, { bob: { state: 'online', since: 5 }, carol: { state: 'offline', last_seen: 7 } });
  assert.deepEqual(apus.presence('bob'), { state: 'online', since: 5 });
  gateway.live('alice', { ev: 'presence', user: 'bob', state: 'offline', last_seen: 9 });
  assert.deepEqual(apus.presence('bob'), { state: 'offline', last_seen: 9 });
  assert.deepEqual(log, ['bob offline']);
  assert.equal(apus.presence('dave'), undefined);
});

test('after a reconnect everybody is watched again, and what changed meanwhile is told once', async () => {
  await apus.watch(['bob', 'carol']);
  gateway.present.add('bob');
  gateway.socket.end(1006);
  await clock.pass(1000);
  await calm();
  assert.equal(gateway.requests('presence.watch').length, 2);
  assert.deepEqual(gateway.requests('presence.watch')[1].users, ['bob', 'carol']);
  assert.deepEqual(log, ['bob online']);
  assert.equal(apus.presence('bob')?.state, 'online');
});

test('a session that was slow asks again: events of presence were dropped', async () => {
  await apus.watch(['bob']);
  gateway.present.add('bob');
  gateway.live('alice', { ev: 'behind', seq: 0 });
  await calm();
  assert.deepEqual(log, ['bob online']);
});

test('who is not watched any more is not asked about again', async () => {
  await apus.watch(['bob', 'carol']);
  await apus.unwatch(['bob']);
  assert.deepEqual(gateway.requests('presence.unwatch').map(({ users }) => users), [['bob']]);
  gateway.socket.end(1006);
  await apus.unwatch(['dave']);
  await clock.pass(1000);
  await calm();
  assert.deepEqual(gateway.requests('presence.watch')[1].users, ['carol']);
  assert.equal(gateway.requests('presence.unwatch').length, 1, 'without a connection there is nothing to end');
});

test('many users go in pages of 200', async () => {
  const users = Array.from({ length: 450 }, (_, index) => `u${index}`);
  assert.equal(Object.keys(await apus.watch(users)).length, 450);
  assert.deepEqual(gateway.requests('presence.watch').map((frame) => frame.users.length), [200, 200, 50]);
});

test('who was refused is not watched; a store that is away is asked again', async () => {
  gateway.answers.set('presence.watch', [{ error: { code: 'too_large', message: 'too many' } }]);
  await assert.rejects(apus.watch(['bob']), { code: 'too_large' });
  await apus.watch(['carol']);
  gateway.present.add('carol');
  gateway.answers.set('presence.watch', [{ error: { code: 'unavailable', message: 'away', retry_ms: 1000 } }]);
  gateway.socket.end(1006);
  await clock.pass(1000);
  await calm();
  assert.deepEqual(log, []);
  await clock.pass(2000);
  await calm();
  assert.deepEqual(log, ['carol online']);
  assert.deepEqual(gateway.requests('presence.watch').map(({ users }) => users),
    [['bob'], ['carol'], ['carol'], ['carol']]);
});

test('invisible is said in hello, when it is asked for', async () => {
  assert.equal('invisible' in gateway.received[0], false);
  const { WebSocket } = gateway;
  const other = new Apus({ url: 'ws://gateway/ws', token: token(), WebSocket, invisible: true });
  other.connect();
  await calm();
  assert.equal(gateway.requests('hello')[1].invisible, true);
  other.close();
});
