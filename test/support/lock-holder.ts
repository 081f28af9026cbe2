/** Takes the lock `argv[2]` and says so, or why it could not; then appends a line to the log `argv[3]` at each line of stdin. */
import { createInterface } from 'node:readline';
import { UserError } from '../../src/errors.js';
import { LogFile } from '../../src/experiment/log-file.js';
import { lockRun } from '../../src/experiment/run-lock.js';

function told(action: () => string): string {
  try {
    return action();
  } catch (error) {
    if (error instanceof UserError) return error.message;
    throw error;
  }
}

const [lock, log] = process.argv.slice(2);
let release = () => {};
console.log(
  told(() => {
    release = lockRun(lock);
    return 'locked';
  }),
);
const file = LogFile.open(log);
createInterface({ input: process.stdin }).on('line', () => {
  console.log(
    told(() => {
      file.write('{}\n');
      return 'written';
    }),
  );
});
process.on('SIGTERM', () => {
  release();
  process.exit();
});
