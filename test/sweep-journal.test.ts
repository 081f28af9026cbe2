import { type ChildProcess, fork } from 'node:child_process';
import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import t from 'tap';
import { Journal, readJournal, streamJournal } from '../src/sweep/journal.js';
import type { JournalRecord } from '../src/sweep/records.js';

const WRITER = fileURLToPath(new URL('support/journal-writer.js', import.meta.url));

t.test(
  '16 processes append at once, a third of them are killed: nothing is lost, torn or doubled',
  async t => {
    const path = join(t.testdir(), 'journal.jsonl');
    const count = 1000;
    const said = await Promise.all(
      Array.from({ length: 16 }, (_, trial) =>
        writer(path, trial, count, trial % 3 === 0 ? 50 + trial * 40 : undefined),
      ),
    );
    const { records } = readJournal(path);
    const found = new Map<number, number[]>();
    for (const record of records) {
      if (record.event !== 'trial.chosen') throw new Error(`an unexpected ${record.event}`);
      const i = record.point.i as number;
      if ((record.point.padding as string).length !== (i * 37) % 9000)
        t.fail(`record ${i} of ${record.trial} is not whole`);
      found.set(record.trial, [...(found.get(record.trial) ?? []), i]);
    }
    said.forEach(({ killed, last }, trial) => {
      const numbers = found.get(trial) ?? [];
      t.same(
        numbers,
        numbers.map((_, at) => at + 1),
        `the records of process ${trial} are there once and in order`,
      );
      t.ok(numbers.length >= last, `process ${trial} said ${last}, ${numbers.length} are there`);
      if (!killed) t.equal(numbers.length, count);
    });
    t.equal(said.filter(({ killed }) => killed).length, 6, 'a third was killed');
  },
);

t.test('what a killed process left of a line swallows no other', async t => {
  const path = join(t.testdir(), 'journal.jsonl');
  const chosen = (trial: number): JournalRecord => ({ event: 'trial.chosen', trial, point: { a: trial } });
  const first = Journal.open(path, 'first');
  first.append(chosen(0), chosen(1));
  first.close();
  const whole = readFileSync(path);
  const size = whole.length;
  for (let cut = 1; cut <= size; cut++) {
    writeFileSync(path, whole.subarray(0, cut));
    const next = Journal.open(path, 'next');
    next.append(chosen(7));
    next.close();
    const { records } = readJournal(path);
    t.same(records.at(-1), chosen(7), `after a cut at byte ${cut}`);
    const streamed: JournalRecord[] = [];
    for await (const record of streamJournal(path)) streamed.push(record);
    t.same(streamed, records);
  }
  writeFileSync(path, whole);
  appendFileSync(path, whole);
  t.same(readJournal(path).records, [chosen(0), chosen(1)], 'a line that is there twice counts once');
});

interface Said {
  readonly killed: boolean;
  /** The number of the last record that the process said to have written. */
  readonly last: number;
}

function writer(path: string, trial: number, count: number, killAt: number | undefined): Promise<Said> {
  const child: ChildProcess = fork(WRITER, [path, String(trial), String(count)]);
  let last = 0;
  child.on('message', message => {
    last = message as number;
    if (last === killAt) child.kill('SIGKILL');
  });
  return new Promise((resolve, reject) => {
    child.on('error', reject);
    child.on('exit', (_, signal) => resolve({ killed: signal === 'SIGKILL', last }));
  });
}
