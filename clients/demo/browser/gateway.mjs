// @ts-check
// A gateway with `--dev` in a temporary folder, on ports of its own.

import { mkdtemp, rm } from 'node:fs/promises';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Guarded } from './guarded.mjs';

const readyMs = 30_000;
/** For one answer to whether it is ready. */
const probeMs = 2_000;

/** @returns {Promise<import('node:net').Server>} */
function listening() {
  return new Promise((resolve, reject) => {
    const server = createServer().once('error', reject).listen(0, '127.0.0.1', () => resolve(server));
  });
}

/** Both are held before either is let go: they are two. @returns {Promise<[number, number]>} */
async function twoFreePorts() {
  const servers = [await listening(), await listening()];
  const [one, other] = servers.map((server) => /** @type {any} */ (server.address()).port);
  await Promise.all(servers.map((server) => new Promise((resolve) => { server.close(resolve); })));
  return [one, other];
}

export class Gateway {
  /** @type {Guarded | null} */ #process = null;

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
    return new Gateway(binary, folder, ...await twoFreePorts());
  }

  async start() {
    const { folder } = this;
    this.#process = new Guarded(this.binary, ['serve', '--dev'], { folder, env: { ...process.env, ...this.env } });
    const end = Date.now() + readyMs;
    while (!(await this.#isReady())) {
      const isOver = Date.now() > end || !this.#process.isRunning;
      if (isOver) throw new Error(`the gateway is not ready: ${this.#process.said}`);
      await new Promise((resolve) => { setTimeout(resolve, 100); });
    }
  }

  #isReady() {
    return fetch(`${this.url}/readyz`, { signal: AbortSignal.timeout(probeMs) }).then(({ ok }) => ok, () => false);
  }

  /** Ends it as `kill -9` does. */
  async kill() {
    await this.#process?.kill();
  }

  async remove() {
    await this.kill();
    await rm(this.folder, { recursive: true, force: true });
  }
}
