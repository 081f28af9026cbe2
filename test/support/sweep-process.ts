/** A sweep as a process of its own, so that it can be killed: `sweep-process NEW.json` begins one, `sweep-process DIRECTORY` goes on with it. */
import { readFileSync, statSync } from 'node:fs';
import { LocalLauncher } from '../../src/sweep/launchers/local.js';
import { type NewSweep, resumeSweep, runSweep, type SweepOptions } from '../../src/sweep/run.js';

const [what, program] = process.argv.slice(2);
const stop = new AbortController();
process.on('SIGTERM', () => stop.abort());
const options: SweepOptions = {
  threads: 2,
  backend: 'cpu',
  launcher: () => new LocalLauncher(program),
  observer: {
    decided: () => {},
    started: () => {},
    ended: () => {},
    warning: text => process.stderr.write(`${text}\n`),
  },
  signal: stop.signal,
  version: 'test',
  now: () => new Date(),
};
const { end, directory } = statSync(what).isDirectory()
  ? await resumeSweep(what, options)
  : await runSweep(JSON.parse(readFileSync(what, 'utf8')) as NewSweep, options, ({ path }) =>
      process.stdout.write(`${path}\n`),
    );
process.stdout.write(`${end} ${directory.path}\n`);
