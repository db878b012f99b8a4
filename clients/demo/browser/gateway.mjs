// @ts-check
// A gateway with `--dev` in a temporary folder, on ports of its own.

import { spawn } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

const readyMs = 30_000;

/** @returns {Promise<number>} */
function freePort() {
  return new Promise((resolve) => {
    const server = createServer().listen(0, '127.0.0.1', () => {
      const { port } = /** @type {any} */ (server.address());
      server.close(() => resolve(port));
    });
  });
}

export class Gateway {
  /** @type {import('node:child_process').ChildProcess | null} */ #process = null;
  #said = '';

  /** @param {string} binary @param {string} folder @param {number} port @param {number} backendPort */
  constructor(binary, folder, port, backendPort) {
    this.binary = binary;
    this.folder = folder;
    this.url = `http://127.0.0.1:${port}`;
    this.env = { APUS_LISTEN: `127.0.0.1:${port}`, APUS_BACKEND_LISTEN: `127.0.0.1:${backendPort}`, APUS_DATA: folder };
  }

  /** @param {string} binary */
  static async make(binary) {
    const folder = await mkdtemp(join(tmpdir(), 'apus-page-data-'));
    return new Gateway(binary, folder, await freePort(), await freePort());
  }

  async start() {
    this.#process = spawn(this.binary, ['serve', '--dev'], {
      env: { ...process.env, ...this.env }, stdio: ['ignore', 'pipe', 'pipe'],
    });
    const hear = (/** @type {any} */ data) => { this.#said += data; };
    this.#process.stdout?.on('data', hear);
    this.#process.stderr?.on('data', hear);
    const end = Date.now() + readyMs;
    while (!(await fetch(`${this.url}/readyz`).then(({ ok }) => ok, () => false))) {
      const isOver = Date.now() > end || this.#process.exitCode !== null;
      if (isOver) throw new Error(`the gateway is not ready: ${this.#said}`);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  }

  /** @param {NodeJS.Signals} signal */
  async stop(signal) {
    const ended = this.#process;
    if (!ended || ended.exitCode !== null || ended.signalCode !== null) return;
    await new Promise((resolve) => {
      ended.once('exit', resolve);
      ended.kill(signal);
    });
  }

  async remove() {
    await this.stop('SIGKILL');
    await rm(this.folder, { recursive: true, force: true });
  }
}
