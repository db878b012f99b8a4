// @ts-check
import assert from 'node:assert/strict';
import { beforeEach, test } from 'node:test';
import { endWithin } from '../../testing/watchdog.mjs';
import { InboxView } from '../inbox-view.js';

endWithin(60);

/** @type {InboxView} */ let view;
/** @type {any[]} What was asked for. */ let asked;
/** @type {(page: any) => void} Answers the request under way. */ let answer;
const reader = {
  /** @param {any} query */
  inbox(query) {
    asked.push(query);
    return new Promise((resolve) => { answer = resolve; });
  },
};

beforeEach(() => {
  view = new InboxView();
  asked = [];
});

/** @param {string} id */
function content(id, category = 'post', read = false) {
  return { id, type: `${category}.x`, category, read };
}

/** @param {string} id */
function arrives(id, category = 'post') {
  return { ev: 'notification', ts: 5, notification: content(id, category) };
}

const ids = () => view.items.map(({ id }) => id);
const unread = () => view.items.filter(({ read }) => !read).map(({ id }) => id);

/** @param {any[]} items @param {object} [rest] */
async function load(items, rest = {}) {
  const loading = view.load(reader);
  answer({ items, cursor: null, by_category: {}, ...rest });
  await loading;
}

test('what arrives stands first and is counted; an update keeps its place and the count', async () => {
  await load([content('b'), content('a')], { by_category: { post: 2 } });
  view.take(arrives('c', 'like'), false);
  view.take({ ev: 'notification.updated', ts: 6, notification: { ...content('a'), data: { text: 'new' } } }, false);
  assert.deepEqual(ids(), ['c', 'b', 'a']);
  assert.equal(view.items[2].content.data.text, 'new');
  assert.deepEqual(view.byCategory, { post: 2, like: 1 });
  assert.ok(!view.isOff(3));
  assert.ok(view.isOff(4));
});

test('a retracted one is gone, and the counts are seen to be off', async () => {
  await load([content('b'), content('a')], { by_category: { post: 2 } });
  view.take({ ev: 'notification.retracted', notification: { id: 'b' } }, false);
  assert.deepEqual(ids(), ['a']);
  assert.ok(view.isOff(1));
});

test('reading on another device marks by id, by everything older, by category, or all', async () => {
  for (const [selection, left] of /** @type {[any, string[]][]} */ ([
    [{ ids: ['b'] }, ['d', 'c', 'a']],
    [{ up_to: 'c' }, ['d']],
    [{ all: true }, []],
    [{ all: true, category: 'like' }, ['c', 'b', 'a']],
  ])) {
    view = new InboxView();
    await load([content('d', 'like'), content('c'), content('b'), content('a')]);
    view.take({ ev: 'inbox.read', ...selection }, false);
    assert.deepEqual(unread(), left);
    assert.equal(view.doubt, false);
  }
});

test('everything older than one that is not here cannot be decided here', async () => {
  await load([content('a')]);
  view.take({ ev: 'inbox.read', up_to: 'z' }, false);
  assert.deepEqual(unread(), ['a']);
  assert.equal(view.doubt, true);
  await load([content('a', 'post', true)]);
  assert.equal(view.doubt, false);
});

test('events that arrive while a page is under way count on top of it, in order', async () => {
  const loading = view.load(reader);
  assert.ok(view.loading);
  view.take(arrives('c'), false);
  view.take({ ev: 'inbox.read', all: true }, false);
  view.take(arrives('d'), false);
  answer({ items: [content('b'), content('a')], cursor: null, by_category: { post: 2 } });
  await loading;
  assert.deepEqual(ids(), ['d', 'c', 'b', 'a']);
  assert.deepEqual(unread(), ['d']);
  assert.ok(!view.loading);
});

test('a page that was asked for before another view was chosen is thrown away', async () => {
  const first = view.load(reader);
  const answerFirst = answer;
  view.choose({ category: 'like' });
  const second = view.load(reader);
  answer({ items: [content('l', 'like')], cursor: null, by_category: {} });
  await second;
  answerFirst({ items: [content('a')], cursor: 'x', by_category: {} });
  await first;
  assert.deepEqual(ids(), ['l']);
  assert.equal(asked[1].category, 'like');
  assert.equal(view.cursor, null);
});

test('older pages follow by cursor, and nothing stands twice', async () => {
  await load([content('d'), content('c')], { cursor: 'c1' });
  const loading = view.load(reader, { more: true });
  answer({ items: [content('c'), content('b')], cursor: null, by_category: {} });
  await loading;
  assert.equal(asked[1].before, 'c1');
  assert.deepEqual(ids(), ['d', 'c', 'b']);
});

test('a category shows only its own, and keeps its chip when all of it is read', async () => {
  view.choose({ category: 'like' });
  await load([]);
  view.take(arrives('p', 'post'), false);
  view.take(arrives('l', 'like'), false);
  view.take({ ev: 'inbox.read', all: true }, false);
  view.takeCounts({});
  assert.deepEqual(ids(), ['l']);
  assert.deepEqual([...view.categories].sort(), ['like', 'post']);
});

test('what came during an absence is marked until the next one, or until it is read', async () => {
  await load([content('a')]);
  view.take(arrives('b'), true);
  view.take(arrives('c'), true);
  view.markRead({ ids: ['c'] });
  assert.deepEqual(view.items.map(({ missed }) => missed), [false, true, false]);
  view.forgetMissed();
  assert.ok(view.items.every(({ missed }) => !missed));
});

test('after a resync, what is new and unread counts as missed', async () => {
  await load([content('a')]);
  const loading = view.load(reader, { markNew: true });
  answer({ items: [content('c', 'post', true), content('b'), content('a')], cursor: null, by_category: {} });
  await loading;
  assert.deepEqual(view.items.filter(({ missed }) => missed).map(({ id }) => id), ['b']);
});

test('a mark that the gateway did not take is taken back', async () => {
  await load([content('b'), content('a')], { by_category: { post: 2 } });
  const changed = view.markRead({ all: true });
  assert.deepEqual(view.byCategory, { post: 0 });
  view.markUnread(changed);
  assert.deepEqual(unread(), ['b', 'a']);
  assert.deepEqual(view.byCategory, { post: 2 });
});

test('a page that cannot be had leaves what there is, and the next one can', async () => {
  await load([content('a')]);
  await assert.rejects(view.load({ inbox: async () => { throw new Error('away'); } }));
  assert.deepEqual(ids(), ['a']);
  assert.ok(!view.loading);
});
