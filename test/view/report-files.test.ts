/**
 * The files of reports: the same bytes for the same run, what is refused, what is never
 * overwritten, and how large they get.
 */
import { cpSync, existsSync, readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import t from 'tap';
import { buildReport, renderPage } from '../../src/view/report.js';
import type { RunReport } from '../../src/view/run-report.js';
import { classesConfig, trainInto, trainSweep } from '../support/report-runs.js';
import { work } from '../support/work.js';

const output = work.folder();
const classRun = await trainInto(work, output, classesConfig(work), '--set', 'training.batch_size=12');
const sweepDirectory = await trainSweep(work, output, 2);

/** The page of `path`, in a file outside of it. */
async function reportOf(path: string): Promise<string> {
  const file = work.file('report.html', '');
  const { code, stdout, stderr } = await work.cellrun('report', path, '-o', file);
  t.same({ code, stdout, stderr }, { code: 0, stdout: `${file}\n`, stderr: '' });
  return file;
}

t.test('reports are byte-identical for the same files; the default place is the directory', async t => {
  for (const path of [classRun, sweepDirectory, output]) {
    const [first, second] = [await reportOf(path), await reportOf(path)];
    t.ok(readFileSync(first).equals(readFileSync(second)), path);
  }
  const copy = join(work.folder(), 'copy');
  cpSync(classRun, copy, { recursive: true });
  const { stdout } = await work.cellrun('report', copy);
  t.equal(stdout, `${join(copy, 'report.html')}\n`);
  const piped = await work.start('report', copy, '-o', '-').finished;
  t.equal(piped.stdout, readFileSync(join(copy, 'report.html'), 'utf8'));
  t.equal(existsSync(join(classRun, 'report.html')), false, 'and nowhere else');
  const { stdout: json } = await work.cellrun('report', copy, '--json');
  t.match(JSON.parse(json), { kind: 'run', name: 'classes', state: 'completed', steps: 15 });
});

t.test('anything but a run, sweep or folder is a usage error', async t => {
  for (const path of [join(work.path, 'absent'), work.file('a.txt', '')]) {
    const { code, stdout } = await work.cellrun('report', path);
    t.match({ code, stdout }, { code: 2, stdout: '' });
  }
  const deep = work.folder();
  cpSync(classRun, join(deep, 'a', 'b', 'classes', 'r'), { recursive: true });
  t.match(await work.cellrun('report', deep), {
    code: 2,
    stderr: `expected: such as ${join(deep, 'a', 'b')}`,
  });
  cpSync(classRun, join(deep, 'r'), { recursive: true });
  t.match(await work.cellrun('report', deep, '--json'), {
    code: 0,
    stdout: /^\{"kind":"index".*"path":"r"/,
    stderr: `such as those in ${join(deep, 'a', 'b')}`,
  });
  const damaged = join(work.folder(), 'damaged');
  cpSync(classRun, damaged, { recursive: true });
  writeFileSync(join(damaged, 'summary.json'), '{');
  t.match(await work.cellrun('report', damaged), { code: 5, stderr: /summary\.json/ });
});

t.test('a report replaces only a report', async t => {
  const copy = join(work.folder(), 'copy');
  cpSync(classRun, copy, { recursive: true });
  const log = join(copy, 'log.jsonl');
  const before = readFileSync(log);
  for (const [target, message] of [
    [log, /log\.jsonl: this file is not a report and is not overwritten/],
    [work.config({ version: 1 }), /this file is not a report and is not overwritten/],
    [work.file('other.html', '<!DOCTYPE html><title>mine</title>'), /is not overwritten/],
    [join(copy, 'notes.json'), /notes\.json: a file of the run has this name/],
    [copy, /this is a directory/],
    ['/dev/null', /this is not a regular file/],
  ] as const)
    t.match(await work.cellrun('report', copy, '-o', target), { code: 2, stdout: '', stderr: message });
  t.ok(readFileSync(log).equals(before));
  const file = join(work.folder(), 'new', 'x.html');
  t.match(await work.cellrun('report', copy, '-o', file), { code: 0, stdout: `${file}\n` });
  t.match(await work.cellrun('report', copy, '-o', file), { code: 0 }, 'another time');
  const json = join(work.folder(), 'x.json');
  for (let time = 0; time < 2; time++)
    t.match(await work.cellrun('report', copy, '--json', '-o', json), { code: 0 });
});

t.test(
  'a damaged run among others is told, and the others are shown; an experiment is a directory too',
  async t => {
    const root = work.folder();
    for (const name of ['whole', 'damaged'])
      cpSync(classRun, join(root, 'classes', name), { recursive: true });
    writeFileSync(join(root, 'classes', 'damaged', 'summary.json'), '{');
    for (const [path, prefix] of [
      [root, 'classes/'],
      [join(root, 'classes'), ''],
    ]) {
      const { stdout } = await work.cellrun('report', path, '--json');
      const report: { runs: { path: string }[]; unreadable: { path: string; message: string }[] } =
        JSON.parse(stdout);
      t.same(
        report.runs.map(run => run.path),
        [`${prefix}whole`],
      );
      t.match(report.unreadable, [{ path: `${prefix}damaged`, message: /JSON/ }]);
    }
    t.match(await work.cellrun('report', work.folder()), { code: 2 });
  },
);

t.test('a log of 100,000 steps and epochs becomes a small page', async t => {
  const long = join(work.folder(), 'long');
  cpSync(classRun, long, { recursive: true });
  const lines = Array.from({ length: 100_000 }, (_, i) => {
    const [loss, accuracy] = [2 / Math.sqrt(i + 1), Math.abs(Math.sin(i))];
    const common = { epoch: i + 1, step: i + 1, loss, samples: 1, duration_s: 1 };
    return [
      { event: 'train.step', ...common, learning_rate: loss / 100, grad_norm: loss, samples_per_s: accuracy },
      { event: 'train.epoch', ...common },
      { event: 'eval', split: 'test', ...common, accuracy },
    ].map(event => `${JSON.stringify(event)}\n`);
  });
  writeFileSync(join(long, 'log.jsonl'), lines.flat().join(''));
  const report = buildReport(long) as RunReport;
  t.equal(report.curves['train.loss'].count, 100_000);
  const bytes = Buffer.byteLength(renderPage(report));
  t.ok(bytes < 500_000, `${bytes} bytes`);
});
