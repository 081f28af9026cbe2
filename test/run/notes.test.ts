/** Tags and notes of runs: `tag`, `run --tag`, and their use in reviews and reports. */
import {
  closeSync,
  existsSync,
  openSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  symlinkSync,
  writeFileSync,
} from 'node:fs';
import { basename, join } from 'node:path';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { tryFileLock } from '../../src/run/lock.js';
import type { IndexReport } from '../../src/view/report.js';
import type { RunReport } from '../../src/view/run-report.js';
import { makeRun } from '../support/dashboard.js';
import { comesTrue } from '../support/programs.js';
import { work } from '../support/work.js';

const id = (day: number) => `2026010${day}T000000Z-00000000`;

function runs(count: number): { root: string; paths: readonly string[] } {
  const root = work.folder();
  const paths = Array.from({ length: count }, (_, i) =>
    makeRun(root, { name: 'a', id: id(i + 1), status: 'completed' }),
  );
  return { root, paths };
}

const notesIn = (path: string) => JSON.parse(readFileSync(join(path, 'notes.json'), 'utf8'));

t.test('tags and notes are added, changed, printed and removed', async t => {
  const {
    paths: [first, second],
  } = runs(2);
  t.match(await work.cellrun('tag', first), {
    code: 0,
    stdout: `${first}: no tags and no note\n`,
    stderr: '',
  });
  t.notOk(existsSync(join(first, 'notes.json')), 'looking writes nothing');
  const added = ['--add', 'paper', '--add', 'baseline', '--note', ' ok '];
  const given = await work.cellrun('tag', first, second, ...added);
  t.match(given, { code: 0, stderr: '' });
  t.equal(given.stdout, [first, second].map(path => `${path}: baseline, paper; "ok"\n`).join(''));
  t.same(notesIn(first), { version: 1, tags: ['baseline', 'paper'], note: 'ok' });
  t.same(validateAgainst('notes', notesIn(first)), []);
  await work.cellrun('tag', first, '--add', 'paper', '--remove', 'baseline');
  t.same(notesIn(first), { version: 1, tags: ['paper'], note: 'ok' }, 'a tag is there once; the note stays');
  await work.cellrun('tag', first, '--note', '');
  t.same(notesIn(first), { version: 1, tags: ['paper'], note: null });
  const { stdout } = await work.cellrun('tag', first, second, '--json');
  t.same(JSON.parse(stdout), {
    version: 1,
    runs: [
      { path: first, tags: ['paper'], note: null },
      { path: second, tags: ['baseline', 'paper'], note: 'ok' },
    ],
  });
});

function hasOpen(pid: number, name: string): boolean {
  const files = `/proc/${pid}/fd`;
  try {
    return readdirSync(files).some(file => basename(readlinkSync(join(files, file))) === name);
  } catch {
    // a file that has just been closed, or the process has ended
    return false;
  }
}

t.test('simultaneous changes wait for each other', async t => {
  const {
    paths: [run],
  } = runs(1);
  await work.cellrun('tag', run, '--add', 'first');
  const file = openSync(join(run, 'config.yaml'), 'r+');
  if (tryFileLock(file) === undefined) {
    t.comment('no advisory locks here');
    return;
  }
  const waiting = work.start('tag', run, '--add', 'third');
  // it has the file open whose lock it waits for; without the wait it comes to its end
  await comesTrue(() => waiting.child.exitCode !== null || hasOpen(Number(waiting.child.pid), 'config.yaml'));
  writeFileSync(join(run, 'notes.json'), JSON.stringify({ ...notesIn(run), tags: ['first', 'second'] }));
  closeSync(file);
  t.equal((await waiting.finished).code, 0);
  t.same(notesIn(run).tags, ['first', 'second', 'third']);
  const alias = join(work.folder(), 'alias');
  symlinkSync(run, alias);
  t.match(await work.cellrun('tag', run, alias, '--remove', 'third'), { code: 0 }, 'one run, two names');
});

t.test('reports the errors of all runs at once, and writes nothing', async t => {
  const {
    paths: [first, second],
  } = runs(2);
  await work.cellrun('tag', first, '--add', 'paper');
  for (const [words, message] of [
    [
      ['--remove', 'papr'],
      /has no tag 'papr'[\s\S]*expected: one of paper[\s\S]*did you mean paper[\s\S]*has no tag 'papr'[\s\S]*it has none/,
    ],
    [['--add', 'two words'], /this is not a valid tag[\s\S]*got: "two words"/],
    [['--add', ''], /this is not a valid tag/],
    [['--add', 'x'.repeat(51)], /1 to 50 characters/],
    [['--add', 'x', '--remove', 'x'], /the tag 'x' is both added and removed/],
    [['--note', 'x'.repeat(2001)], /the note is too long[\s\S]*got: 2001/],
    [[join(work.path, 'absent'), '--add', 'x'], /absent: the run directory does not exist/],
    [Array.from({ length: 51 }, (_, i) => ['--add', `t${i}`]).flat(), /at most 50 tags/],
  ] as const)
    t.match(await work.cellrun('tag', first, second, ...words), { code: 2, stdout: '', stderr: message });
  t.same(notesIn(first).tags, ['paper']);
  t.notOk(existsSync(join(second, 'notes.json')));
  for (const text of ['{', '{"version":1,"tags":["a b"],"note":null}']) {
    writeFileSync(join(second, 'notes.json'), text);
    t.match(await work.cellrun('tag', first, second, '--add', 'x'), { code: 5, stderr: /notes\.json/ });
    t.equal(readFileSync(join(second, 'notes.json'), 'utf8'), text, 'what is damaged is left as it is');
  }
  t.same(notesIn(first).tags, ['paper']);
});

t.test('run --tag --note: reports show them, reviews do not', async t => {
  const output = work.folder();
  const config = work.config({
    dataset: { kind: 'synthetic', problem: 'adding', sequence_length: 4, train_size: 8, test_size: 4 },
    model: { cell: 'lstm', hidden_size: 2, num_layers: 1, head: { from: 'last' } },
    loss: { kind: 'mse' },
    training: { num_epochs: 1, batch_size: 4 },
  });
  const words = ['run', config, '--backend', 'webasm', '--quiet', '--output', output];
  const refused = await work.cellrun(...words, '--tag', 'a b');
  t.match(refused, { code: 2, stderr: /this is not a valid tag/ });
  t.notOk(existsSync(join(output, 'adding')), 'before anything is trained');
  const summaries = [];
  for (const flags of [['--tag', 'x', '--tag', 'y', '--note', 'for <the> paper'], []]) {
    const { stdout, code } = await work.cellrun(...words, ...flags, '--json');
    t.equal(code, 0);
    summaries.push(JSON.parse(stdout));
  }
  const [tagged, plain] = summaries;
  t.same(notesIn(tagged.directory), { version: 1, tags: ['x', 'y'], note: 'for <the> paper' });
  t.notOk(existsSync(join(plain.directory, 'notes.json')));
  t.equal(tagged.config_hash, plain.config_hash);

  const before = await work.cellrun('review', tagged.directory, '--json');
  await work.cellrun('tag', tagged.directory, '--remove', 'y');
  t.same(await work.cellrun('review', tagged.directory, '--json'), before);

  const report = async (path: string) => JSON.parse((await work.cellrun('report', path, '--json')).stdout);
  t.match((await report(tagged.directory)) as RunReport, { tags: ['x'], note: 'for <the> paper' });
  t.match((await report(plain.directory)) as RunReport, { tags: [], note: null });
  const index = (await report(output)) as IndexReport;
  t.same(
    index.runs.map(({ tags, note }) => ({ tags, note })),
    [tagged, plain].map(({ directory }) =>
      directory === tagged.directory ? { tags: ['x'], note: 'for <the> paper' } : { tags: [], note: null },
    ),
  );
  const page = await work.cellrun('report', tagged.directory, '-o', '-');
  t.match(page.stdout, '<tr><th>note</th><td>for &lt;the&gt; paper</td></tr>');
});
