// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { token } from '../../testing/fake-gateway.mjs';
import { endWithin } from '../../testing/watchdog.mjs';
import {
  backoffMs, closePolicy, directConversation, expiryOf, isPosition, judge, newClientID, positionAfter, refusalCloseCode,
  renewAfterMs, sendPolicy, times,
} from '../apus.js';

endWithin(60);

test('a close code tells by its range what to do', () => {
  const expected = {
    stay: [1000],
    renew: [4401],
    stop: [1002, 1003, 1007, 1009, 4400, 4403, 4404, 4408, 4409, 4429, 4499],
    reconnect: [1001, 1005, 1006, 1011, 1012, 4500, 4503, 4508, 4510, 4512, 4599],
  };
  for (const [policy, codes] of Object.entries(expected)) {
    for (const code of codes) assert.equal(closePolicy(code), policy, `${code}`);
  }
});

test('a refused hello amounts to a close code whose policy fits', () => {
  assert.equal(closePolicy(refusalCloseCode('unauthenticated')), 'renew');
  assert.equal(closePolicy(refusalCloseCode('forbidden')), 'stop');
  assert.equal(closePolicy(refusalCloseCode('bad_request')), 'stop');
  for (const code of ['unavailable', 'internal', 'rate_limited']) {
    assert.equal(closePolicy(refusalCloseCode(code)), 'reconnect', code);
  }
});

test('back-off doubles its bound up to the cap, and takes any part of it', () => {
  assert.equal(backoffMs(0, 0), 0);
  assert.ok(backoffMs(0, 0.999) < times.backoffBase);
  assert.equal(backoffMs(1, 0.5), times.backoffBase);
  assert.equal(backoffMs(3, 0.5), times.backoffBase * 4);
  assert.equal(backoffMs(10, 0.5), times.backoffCap / 2);
  assert.equal(backoffMs(10_000, 0.5), times.backoffCap / 2);
});

test('an event is next, old, behind a hole, in conflict, or not of the timeline', () => {
  const at = { epoch: 'e', seq: 41, last: 'a41' };
  assert.equal(judge(at, { ev: 'notification', seq: 42, id: 'a42' }), 'next');
  assert.equal(judge(at, { ev: 'notification', seq: 44, id: 'a44' }), 'hole');
  assert.equal(judge(at, { ev: 'notification', seq: 41, id: 'a41' }), 'old');
  assert.equal(judge(at, { ev: 'notification', seq: 7, id: 'a7' }), 'old');
  assert.equal(judge(at, { ev: 'notification', seq: 41, id: 'b41' }), 'conflict');
  assert.equal(judge({ epoch: 'e', seq: 41 }, { ev: 'notification', seq: 41, id: 'b41' }), 'old');
  assert.equal(judge(at, { ev: 'behind', seq: 44 }), 'live');
  assert.equal(judge(at, { ev: 'typing', conv: 'd:a:b' }), 'live');
});

test('the position after welcome is the resumed one, or the head', () => {
  const resume = { epoch: 'e', seq: 41, last: 'a41' };
  const welcome = { user: 'u', session: 's', node: 'n', epoch: 'f', seq: 44, last: 'a44' };
  assert.deepEqual(positionAfter(welcome, null), { epoch: 'f', seq: 44, last: 'a44' });
  assert.equal(positionAfter({ ...welcome, resumed: true }, resume), resume);
  assert.deepEqual(positionAfter({ ...welcome, resumed: false }, resume), { epoch: 'f', seq: 44, last: 'a44' });
  assert.deepEqual(positionAfter({ ...welcome, seq: 0, last: '' }, null), { epoch: 'f', seq: 0 });
});

test('a stored position is taken only when it is one', () => {
  assert.ok(isPosition({ epoch: 'e', seq: 0 }));
  assert.ok(isPosition({ epoch: 'e', seq: 3, last: 'x' }));
  for (const not of [null, undefined, 'x', {}, { epoch: 'e' }, { epoch: 'e', seq: -1 }, { epoch: 'e', seq: 1.5 },
    { epoch: 'e', seq: '3' }, { epoch: 1, seq: 3 }, { epoch: 'e', seq: 3, last: 4 }]) assert.ok(!isPosition(not));
});

test('the expiry of a token is read from it, or unknown', () => {
  assert.equal(expiryOf(token(1_893_456_000)), 1_893_456_000_000);
  assert.equal(expiryOf(token()), null);
  assert.equal(expiryOf('opaque'), null);
  assert.equal(expiryOf('a.%%%.c'), null);
});

test('a token is renewed well before its end, at no moment that a crowd shares, and never in a busy loop', () => {
  assert.equal(renewAfterMs(100_000, 0), 75_000);
  assert.equal(renewAfterMs(100_000, 0.5), 80_000);
  assert.equal(renewAfterMs(10, 0), 1000);
  assert.equal(renewAfterMs(0, 0), null);
  assert.equal(renewAfterMs(1e15, 0), times.timerMax);
});

test('a message whose send failed waits, is sent again soon, or never', () => {
  for (const code of ['not_connected', 'disconnected']) assert.equal(sendPolicy(code), 'wait', code);
  for (const code of ['unavailable', 'rate_limited', 'timeout']) assert.equal(sendPolicy(code), 'again', code);
  for (const code of ['bad_request', 'forbidden', 'not_found', 'conflict', 'too_large', 'unknown_op', 'internal', 'closed']) {
    assert.equal(sendPolicy(code), 'refused', code);
  }
});

test('a direct conversation is named by its two users in byte order, colons escaped', () => {
  assert.equal(directConversation('bob', 'alice'), 'd:alice:bob');
  assert.equal(directConversation('a', 'b:c'), 'd:a:b%3Ac');
  assert.equal(directConversation('a:b', 'c'), 'd:a%3Ab:c');
  assert.equal(directConversation('a', 'B'), 'd:B:a');
});

test('a client id is one of the protocol, and another each time', () => {
  const ids = new Set(Array.from({ length: 100 }, newClientID));
  assert.equal(ids.size, 100);
  for (const id of ids) assert.match(id, /^[A-Za-z0-9_-]{1,64}$/);
});
