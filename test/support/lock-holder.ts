/**
 * A separate process that holds locks. Each line of stdin is a JSON list, `["lock", FILE]`,
 * `["write", FILE]` or `["release"]`. The answer is a line: `ok` or an error.
 */
import { createInterface } from 'node:readline';
import { openLines } from '../../src/run/lines.js';
import { lockRun } from '../../src/run/lock.js';
import { UserError } from '../../src/util/errors.js';

let release = () => {};

const ACTIONS: Readonly<Record<string, (file: string) => void>> = {
  lock: file => {
    release = lockRun(file);
  },
  write: file => {
    const log = openLines(file);
    try {
      log.write('{}\n');
    } finally {
      log.close();
    }
  },
  race: file => {
    for (let times = 0; times < 200; times++) {
      try {
        lockRun(file)();
      } catch (error) {
        if (!(error instanceof UserError) || error.exitCode !== 2) throw error;
      }
    }
  },
  release: () => release(),
};

createInterface({ input: process.stdin }).on('line', line => {
  const [action, file = ''] = JSON.parse(line) as string[];
  try {
    ACTIONS[action](file);
    console.log('ok');
  } catch (error) {
    if (!(error instanceof UserError)) throw error;
    console.log(error.message.replaceAll('\n', ' '));
  }
});
