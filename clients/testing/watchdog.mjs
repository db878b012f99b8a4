// @ts-check
// Ends this process when a test file takes too long, whatever it is doing. A test's own `timeout` is a timer, and no timer
// fires in a process that spins: a client that asks again at once without end never leaves its queue of microtasks. So
// the time is kept by another thread, and the end is a signal that needs no cooperation.

import { Worker } from 'node:worker_threads';

const keeper = `
  const { writeSync } = require('node:fs');
  const { workerData: { seconds, file } } = require('node:worker_threads');
  setTimeout(() => {
    writeSync(2, file + ' has not ended within ' + seconds + ' s: killed\\n');
    process.kill(process.pid, 'SIGKILL');
  }, seconds * 1000);
`;

/** Allows this process so many more seconds. Once it has nothing to do it ends as ever. @param {number} seconds */
export function endWithin(seconds) {
  new Worker(keeper, { eval: true, workerData: { seconds, file: process.argv[1] } }).unref();
}
