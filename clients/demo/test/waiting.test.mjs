// @ts-check
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { endWithin } from '../../testing/watchdog.mjs';
import { Waiting } from '../waiting.js';

endWithin(60);
const conv = 'd:alice:bob';

/** As `localStorage` is. */
class Area {
  /** @type {Map<string, string>} */ items = new Map();
  get length() { return this.items.size; }
  /** @param {number} at */
  key(at) { return [...this.items.keys()][at] ?? null; }
  /** @param {string} key */
  getItem(key) { return this.items.get(key) ?? null; }
  /** @param {string} key @param {string} value */
  setItem(key, value) { this.items.set(key, value); }
  /** @param {string} key */
  removeItem(key) { this.items.delete(key); }
}

/** @param {string} cid */
const item = (cid, at = Date.now()) => ({ cid, conv, to: 'bob', body: { text: cid }, at });
const cids = (/** @type {Waiting} */ waiting) => waiting.items.map(({ cid }) => cid);

test('what waits outlives the page, in its order, for its user', () => {
  const area = new Area();
  const before = new Waiting(area, 'alice');
  for (const cid of ['z', 'a', 'm']) before.add(item(cid, 1000)); // A clock that stands still.
  new Waiting(area, 'bob').add(item('other'));
  const now = Date.now;
  Date.now = () => 2000;
  assert.deepEqual(cids(new Waiting(area, 'alice')), ['z', 'a', 'm']);
  Date.now = now;
});

test('two windows do not take each other what waits', () => {
  const area = new Area();
  const one = new Waiting(area, 'alice');
  const two = new Waiting(area, 'alice');
  one.add(item('a'));
  two.add(item('b'));
  one.remove('a');
  assert.deepEqual(cids(new Waiting(area, 'alice')), ['b']);
});

test('what was refused says why, also after a reload, until it is tried again', () => {
  const area = new Area();
  const waiting = new Waiting(area, 'alice');
  waiting.add(item('a'));
  waiting.mark('a', 'blocked');
  assert.equal(new Waiting(area, 'alice').items[0].problem, 'blocked');
  waiting.mark('a');
  assert.equal(new Waiting(area, 'alice').items[0].problem, undefined);
});

test('what is so old that the gateway may have forgotten its cid is not repeated by itself', () => {
  const area = new Area();
  new Waiting(area, 'alice').add(item('a', Date.now() - 24 * 3_600_000));
  assert.match(new Waiting(area, 'alice').items[0].problem ?? '', /too long/);
});

test('a storage that is full or spoilt costs nothing but the reload', () => {
  const area = new Area();
  area.setItem('apus.waiting.alice.x', '{');
  area.setItem = () => { throw new Error('full'); };
  const waiting = new Waiting(area, 'alice');
  waiting.add(item('a'));
  assert.deepEqual(cids(waiting), ['a']);
  assert.equal(area.length, 0);
});
