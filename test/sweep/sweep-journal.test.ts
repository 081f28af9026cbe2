import { appendFileSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { openJournal, readJournal } from '../../src/sweep/journal.js';
import { secondsOf } from '../../src/sweep/run.js';
import type { JournalRecord } from '../../src/sweep/schedule/records.js';

t.test('an incomplete line of a killed process does not corrupt the next one', async t => {
  const path = join(t.testdir(), 'journal.jsonl');
  const chosen = (trial: number): JournalRecord => ({ event: 'trial.chosen', trial, point: { a: trial } });
  const first = openJournal(path, 'first');
  first.append(chosen(0), chosen(1));
  first.close();
  const whole = readFileSync(path);
  const size = whole.length;
  for (let cut = 1; cut <= size; cut++) {
    writeFileSync(path, whole.subarray(0, cut));
    const next = openJournal(path, 'next');
    next.append(chosen(7));
    next.close();
    const { records } = readJournal(path);
    t.same(records.at(-1), chosen(7), `after a cut at byte ${cut}`);
  }
  writeFileSync(path, whole);
  appendFileSync(path, whole);
  t.same(readJournal(path).records, [chosen(0), chosen(1)], 'a line that is there twice counts once');
});

t.test('damaged lines are skipped with a warning', async t => {
  const path = join(t.testdir(), 'journal.jsonl');
  const stamp = { v: 1, writer: 'w', n: 2 };
  const failed: JournalRecord = { event: 'trial.failed', trial: 3 };
  const wrong: readonly unknown[] = [
    { event: 'trial.sold', ...stamp },
    { event: 'constructor', ...stamp },
    { ...failed, v: 1, n: 2 },
    { ...failed, ...stamp, n: -2 },
    { ...failed, ...stamp, v: '1' },
    7,
    null,
    [failed],
  ];
  for (const line of wrong) {
    const good = [1, 3].map(n => JSON.stringify({ ...failed, ...stamp, n }));
    writeFileSync(path, `\n${good[0]}\n\n${JSON.stringify(line)}\n\n${good[1]}\n`);
    t.same(readJournal(path), {
      records: [failed, failed],
      damage: [
        'line 4 of journal.jsonl is damaged and was skipped',
        'journal.jsonl is missing 1 record before line 6',
      ],
    });
  }
});

t.test('a change of the clock adds nothing to the time of a sweep that could end', t => {
  const resumed = (time: string): JournalRecord => {
    return { event: 'sweep.resume', time, process: '7 host', backend: 'auto', version: '0.1.0' };
  };
  const worked = (time: string): JournalRecord => ({ event: 'sweep.redecided', time, retry_failed: false });
  const records: JournalRecord[] = [
    resumed('2026-01-01T00:00:00.000Z'),
    worked('2027-01-01T00:00:00.000Z'),
    { event: 'sweep.stop', time: '2027-01-01T00:00:05.000Z', seconds: 10, reason: 'interrupted' },
  ];
  t.equal(secondsOf(records), 10);
  const killed = [resumed('2027-01-02T00:00:00.000Z'), worked('2027-01-02T00:00:07.000Z')];
  t.equal(secondsOf([...records, ...killed]), 17, 'of a killed process, only dates are known');
  t.equal(secondsOf([...records, ...killed, resumed('2027-01-03T00:00:00.000Z')]), 17);
  t.end();
});
