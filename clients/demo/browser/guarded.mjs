// @ts-check
// Child processes that end with this one, however it ends.

import { spawn } from 'node:child_process';

/** What is kept of a process's output, in characters, for the message when something goes wrong. */
const keptOutput = 4000;
const endMs = 10_000;

// Its standard input is a pipe from the test: a line comes when the process has ended in order. The end of the pipe
// without one means that the test has died, and could not clean up.
const guard = 'read -r over || { kill -s KILL -- "-$1"; sleep 1; rm -rf -- "$2"; }';

/**
 * Rejects when a promise takes too long.
 * @template T
 * @param {number} ms
 * @param {Promise<T>} promise
 * @param {string} what is being waited for
 * @returns {Promise<T>}
 */
export async function within(ms, promise, what) {
  /** @type {any} */ let timer;
  const late = new Promise((_, reject) => {
    timer = setTimeout(() => reject(new Error(`not within ${ms} ms: ${what}`)), ms);
  });
  try {
    return await Promise.race([promise, /** @type {Promise<never>} */ (late)]);
  } finally {
    clearTimeout(timer);
  }
}

export class Guarded {
  #said = '';

  /**
   * Starts a process as the leader of a group. What it says to standard output and error is kept.
   * @param {string} command
   * @param {string[]} args
   * @param {{ folder: string, env?: NodeJS.ProcessEnv, pipes?: number }} how `folder`: its own, removed when the test
   *   dies. `pipes`: how many there are from file descriptor 3 on.
   */
  constructor(command, args, { folder, env = process.env, pipes = 0 }) {
    /** @type {any} */ const stdio = ['ignore', 'pipe', 'pipe', ...Array(pipes).fill('pipe')];
    const child = spawn(command, args, { env, stdio, detached: true });
    this.child = child;
    this.isRunning = true;
    /** @type {Promise<void>} Never rejects. */
    this.ended = new Promise((resolve) => {
      const end = (/** @type {string} */ why) => {
        this.#said += why;
        this.isRunning = false;
        resolve();
      };
      child.once('error', (error) => end(`${error.message}\n`)); // It could not be started.
      child.once('exit', (code, signal) => end(`ended with ${signal ?? code}\n`));
    });
    for (const stream of [child.stdout, child.stderr]) {
      stream?.on('data', (data) => { this.#said = (this.#said + data).slice(-keptOutput); });
    }
    if (child.pid === undefined) return;
    const watch = spawn('/bin/sh', ['-c', guard, 'guard', `${child.pid}`, folder], {
      stdio: ['pipe', 'ignore', 'ignore'], detached: true,
    });
    watch.stdin.on('error', () => {}); // It is gone already.
    this.ended.then(() => watch.stdin.end('over\n'));
  }

  /** The end of what it said, and how it ended. */
  get said() { return this.#said; }

  /** Kills it and what it started. */
  async kill() {
    if (this.isRunning) process.kill(-Number(this.child.pid), 'SIGKILL');
    await within(endMs, this.ended, 'the end of a killed process');
  }
}
