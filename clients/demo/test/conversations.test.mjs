// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { endWithin } from '../../testing/watchdog.mjs';
import { Conversations } from '../conversations.js';

endWithin(60);
const conv = 'd:alice:bob';

/** @type {Conversations} */ let list;
/** @type {any[]} What was asked for. */ let asked;
/** @type {((page: any) => void)[]} Answers to the requests under way, oldest first. */ let answers;
const reader = {
  /** @param {any} query @returns {Promise<any>} */
  conversations(query) {
    asked.push(query);
    return new Promise((resolve) => { answers.push(resolve); });
  },
};

beforeEach(() => {
  list = new Conversations('alice');
  asked = [];
  answers = [];
});

/** @param {string} id @param {object} [fields] @returns {any} */
function chat(id, fields = {}) {
  const kind = id.startsWith('g:') ? 'group' : 'direct';
  const members = kind === 'group' ? ['alice', 'bob', 'carol'] : id.slice(2).split(':');
  const others = members.filter((user) => user !== 'alice').map((user) => ({ user, read_n: 0, delivered_n: 0 }));
  return {
    conv: id, kind, members, title: null, last: null, unread: 0, read_n: 0, muted: false, others,
    ...(kind === 'group' ? { owner: 'alice', member_count: 3 } : {}), ...fields,
  };
}

/** @param {number} n @param {string} [from] @param {string} [id] */
const message = (n, from = 'bob', id = conv) => ({
  ev: 'message', conv: id, n, id: `m${n}`, ts: n, from, body: { text: `${n}` },
});

/** @param {any[]} conversations @param {string | null} [cursor] */
async function load(conversations, cursor = null) {
  const loading = list.load(reader);
  answers.shift()?.({ conversations, cursor });
  await loading;
}

const order = () => list.list().map((one) => one.conv);
const found = (id = conv) => /** @type {any} */ (list.get(id));

test('a message moves its conversation to the front and counts, the own ones do not count', async () => {
  await load([chat('d:alice:carol'), chat(conv)]);
  assert.equal(list.take(message(1)), null);
  list.take(message(2, 'alice'));
  list.take(message(3));
  assert.deepEqual(order(), [conv, 'd:alice:carol']);
  assert.equal(found().unread, 2);
  assert.equal(found().last.body.text, '3');
});

test('what a page has already is not counted again', async () => {
  const loading = list.load(reader);
  list.take(message(1));
  list.take(message(2));
  answers[0]({ conversations: [chat(conv, { last: message(1), unread: 1 })], cursor: null });
  await loading;
  assert.equal(found().unread, 2);
});

test('an own read event from before the page does not hide what the page has counted since', async () => {
  await load([chat(conv, { last: message(6), read_n: 5, unread: 1 })]);
  list.take({ ev: 'read', conv, user: 'alice', n: 5, conv_unread: 0 });
  list.take(message(6));
  assert.equal(found().unread, 1);
});

test('reading on another device, marking as unread, and the cursors of others', async () => {
  await load([chat(conv, { last: message(3), unread: 3 })]);
  list.take({ ev: 'read', conv, user: 'alice', n: 3, conv_unread: 0 });
  assert.deepEqual([found().read_n, found().unread], [3, 0]);
  list.take({ ev: 'read', conv, user: 'alice', n: 2, conv_unread: 1 });
  assert.deepEqual([found().read_n, found().unread], [2, 1]);
  list.take({ ev: 'delivered', conv, user: 'bob', n: 3 });
  list.take({ ev: 'delivered', conv, user: 'bob', n: 2 });
  list.take({ ev: 'read', conv, user: 'bob', n: 1 });
  assert.deepEqual(found().others, [{ user: 'bob', read_n: 1, delivered_n: 3 }]);
});

test('marked as read here, a later message counts again', async () => {
  await load([chat(conv, { last: message(3), unread: 3 })]);
  list.markRead(conv, 3);
  list.take(message(4));
  list.take({ ev: 'read', conv, user: 'alice', n: 3, conv_unread: 0 });
  assert.equal(found().unread, 1);
});

test('the preview follows edits and recalls of the last message only', async () => {
  await load([chat(conv, { last: message(2) })]);
  list.take({ ev: 'message.edited', conv, n: 1, ts: 9, body: { text: 'old' } });
  list.take({ ev: 'message.edited', conv, n: 2, ts: 9, body: { text: 'new' } });
  assert.equal(found().last.body.text, 'new');
  list.take({ ev: 'message.recalled', conv, n: 2 });
  assert.equal(found().last.body, undefined);
  assert.equal(found().last.recalled, true);
});

test('an unknown conversation and a reset one are to be read afresh', async () => {
  await load([chat(conv)]);
  assert.equal(list.take(message(1, 'carol', 'd:alice:carol')), 'd:alice:carol');
  assert.equal(list.take({ ev: 'conversation.reset', conv }), conv);
  const refreshing = list.refresh(reader, 'd:alice:carol');
  answers[0]({ conversations: [chat(conv)], cursor: '7' });
  await new Promise(setImmediate);
  answers[1]({ conversations: [chat('d:alice:carol')], cursor: null });
  await refreshing;
  assert.equal(asked[2].cursor, '7');
  assert.deepEqual(order(), ['d:alice:carol', conv]);
});

test('a conversation that is not found any more is gone', async () => {
  await load([chat('g:1'), chat(conv)]);
  const refreshing = list.refresh(reader, 'g:1');
  answers[0]({ conversations: [chat(conv)], cursor: null });
  await refreshing;
  assert.deepEqual(order(), [conv]);
});

test('a group follows its changes, and is gone when the user is', async () => {
  await load([chat('g:1')]);
  const change = (/** @type {any} */ fields) => list.take({ ev: 'group', conv: 'g:1', by: 'bob', users: [], ...fields });
  assert.equal(change({ change: 'updated', title: 'Nests' }), null);
  assert.equal(found('g:1').title, 'Nests');
  assert.equal(change({ change: 'added', users: ['dave'] }), 'g:1');
  assert.ok(found('g:1').members.includes('dave'));
  change({ change: 'left', by: 'carol', users: ['carol'] });
  assert.ok(!found('g:1').members.includes('carol'));
  change({ change: 'removed', users: ['alice'] });
  assert.deepEqual(order(), []);
  assert.equal(change({ change: 'created', users: ['alice', 'bob'] }), 'g:1');
});

test('mute and block are followed; muted ones are left out of the sum', async () => {
  await load([chat(conv, { unread: 2 }), chat('g:1', { unread: 3 })]);
  assert.ok(!list.isOff(5));
  list.take({ ev: 'mute', conv, on: true });
  assert.ok(found().muted);
  assert.ok(!list.isOff(3));
  assert.ok(list.isOff(5));
  list.take({ ev: 'block', user: 'bob', on: true });
  assert.ok(found().blocked);
  assert.ok(!found('g:1').blocked);
});

test('the sum is not judged while a part of the list is not here, and leaves out large groups', async () => {
  await load([chat(conv, { unread: 2 })], 'more');
  assert.ok(!list.isOff(9));
  await load([chat(conv, { unread: 2 }), chat('g:1', { unread: 7, member_count: 501 })]);
  assert.ok(!list.isOff(2));
  assert.ok(list.hasLargeGroups);
});

test('older pages follow by cursor; a page that was asked for before another is thrown away', async () => {
  await load([chat(conv)], 'c1');
  const more = list.load(reader, { more: true });
  assert.equal(asked[1].cursor, 'c1');
  answers.shift()?.({ conversations: [chat('d:alice:carol')], cursor: null });
  await more;
  assert.deepEqual(order(), [conv, 'd:alice:carol']);
  const first = list.load(reader);
  const second = list.load(reader);
  answers[1]({ conversations: [chat('g:1')], cursor: null });
  answers[0]({ conversations: [chat(conv)], cursor: null });
  await Promise.all([first, second]);
  assert.deepEqual(order(), ['g:1']);
});

test('who types is known until it ends, a message comes, or nothing is heard for a while', async () => {
  await load([chat(conv)]);
  list.take({ ev: 'typing', conv, user: 'bob', on: true });
  assert.deepEqual(list.typists(conv), ['bob']);
  assert.deepEqual(list.typists(conv, Date.now() + 8000), []);
  list.take(message(1));
  assert.deepEqual(list.typists(conv), []);
});
