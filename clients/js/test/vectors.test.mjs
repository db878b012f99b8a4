// @ts-check
import assert from 'node:assert/strict';
import { readFile } from 'node:fs/promises';
import { test } from 'node:test';
import { endWithin } from '../../testing/watchdog.mjs';
import { closePolicy, judge, makePosition, positionAfter } from '../apus-decisions.js';

endWithin(60);

/** Rows of `docs/vectors/<name>.json`; the README there says what they mean. */
async function vectors(name) {
  const rows = JSON.parse(await readFile(new URL(`../../../docs/vectors/${name}.json`, import.meta.url), 'utf8'));
  assert.ok(rows.length > 5);
  assert.equal(new Set(rows.map((row) => row.name)).size, rows.length, 'names are unique');
  return rows;
}

test('each close code of the vectors asks of the client what they say', async () => {
  for (const { name, code, client } of await vectors('close-codes')) assert.equal(closePolicy(code), client, name);
});

test('each frame of the vectors leads to where they say', async () => {
  for (const row of await vectors('server-frames')) {
    const frame = JSON.parse(row.frame);
    switch (row.kind) {
      case 'welcome':
        assert.deepEqual(positionAfter(frame, row.resume), row.position_after, row.name);
        assert.equal(frame.resync ?? null, row.resync, row.name);
        break;
      case 'reply':
        assert.deepEqual(frame, { re: row.re, ok: row.ok }, row.name);
        break;
      case 'error':
        assert.equal(frame.error.code, row.error.code, row.name);
        break;
      case 'event': {
        const verdict = judge(row.position, frame);
        assert.equal(verdict, row.verdict, row.name);
        assert.equal(verdict !== 'live', row.durable, row.name);
        const after = verdict === 'next' ? makePosition(row.position.epoch, frame.seq, frame.id) : row.position;
        assert.deepEqual(after, row.position_after, row.name);
        assert.equal(frame.ev, row.ev, row.name);
        if (row.conv) assert.equal(frame.conv, row.conv, row.name);
        break;
      }
      default: assert.fail(`${row.name}: kind ${row.kind}`);
    }
    for (const [total, count] of Object.entries(row.unread ?? {})) {
      assert.equal(frame.unread[total], count, row.name);
    }
  }
});
