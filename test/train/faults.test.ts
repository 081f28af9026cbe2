/**
 * Files that a run has written survive every fault at every operation of a save, and every flipped
 * bit is detected. `npm run soak` runs the long form.
 */
import { mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { writeAtomic } from '../../src/run/files.js';
import { injectFaults } from '../soak/faults.js';
import type { Figures } from '../soak/figures.js';
import { flipCheckpoint, flipIndex } from '../soak/flips.js';
import { type Attempt, SCENARIOS, type Scenario } from '../soak/scenarios.js';
import { StepCounter } from '../support/steps.js';
import { temporaryFolder } from '../support/temporary-folder.js';

const steps = await StepCounter.start();
const folder = temporaryFolder();
t.teardown(() => rmSync(folder, { recursive: true }));
let made = 0;

function fresh(): string {
  made += 1;
  const path = join(folder, String(made));
  mkdirSync(path);
  return path;
}

/** Throws if `flip` takes as many steps as a reader that one damaged file leads astray. */
async function few(flip: () => Figures): Promise<Figures> {
  const reports: Figures[] = [];
  const taken = await steps.of(() => reports.push(flip()));
  if (taken > 100_000_000) throw new Error(`took ${taken} steps`);
  return reports[0];
}

t.test('every flipped bit and every truncation of a checkpoint is reported with file and offset', async t => {
  const { cases, failures } = await few(() => flipCheckpoint(fresh()));
  t.same(failures, []);
  t.ok(cases > 4500);
});

t.test('a damaged index never leads to another checkpoint', async t => {
  t.same((await few(() => flipIndex(fresh()))).failures, []);
});

t.test('every operation x every fault: nothing is lost, each is reported, and a retry succeeds', async t => {
  steps.stop();
  for (const scenario of SCENARIOS) {
    const { what, cases, failures, note } = injectFaults(scenario, fresh());
    t.same(failures, [], `${what}: ${note}, ${cases} cases`);
    t.ok(cases > 5 * Number.parseInt(note ?? '', 10), 'each operation has its faults');
  }
});

t.test('a log line and a lock survive two faults in a row', async t => {
  for (const scenario of SCENARIOS.slice(-2)) {
    const { what, cases, failures } = injectFaults(scenario, fresh(), { twice: true });
    t.same(failures, [], `${what}: ${cases} cases`);
  }
});

/**
 * Replaces a file with `write`. The file must have the old or the new content at any time, and the
 * new one after `write` has returned.
 */
function replacing(name: string, write: (path: string, content: string) => void): Scenario {
  const prepare = (path: string): Attempt => {
    const file = join(path, 'file');
    writeAtomic(file, ['old']);
    const content = () => readFileSync(file, 'utf8');
    return {
      act: () => write(file, 'new!'),
      lost: () => (['old', 'new!'].includes(content()) ? undefined : `it holds '${content()}'`),
      undone: () => (content() === 'new!' ? undefined : `it still holds '${content()}'`),
      unfinished: () => (content() === 'new!' ? undefined : `it holds '${content()}'`),
    };
  };
  return { name, prepare, survivesCrash: true };
}

t.test('the faults reveal what careless writers lose', async t => {
  const careful = injectFaults(
    replacing('careful', (path, content) => writeAtomic(path, [content])),
    fresh(),
    { twice: true },
  );
  t.same(careful.failures, []);
  const careless: readonly (readonly [Scenario, RegExp])[] = [
    [
      replacing('in place', (path, content) => writeFileSync(path, content)),
      /power lost before operation 1 .*: it holds 'ne'/,
    ],
    [
      replacing('renamed', (path, content) => {
        writeFileSync(`${path}.new`, content);
        renameSync(`${path}.new`, path);
      }),
      /power lost before operation 2 .*"content":"flushed".*: it holds ''/,
    ],
    [
      replacing('silent', (path, content) => {
        try {
          writeAtomic(path, [content]);
        } catch {}
      }),
      /EIO at operation \d+ \(fsync .*: nothing was said/,
    ],
  ];
  for (const [scenario, failure] of careless) {
    const { failures } = injectFaults(scenario, fresh());
    t.match(failures.join('\n'), failure, scenario.name);
  }
});
