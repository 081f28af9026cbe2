/**
 * Reviews of sweeps: trials that the sweep stopped are not judged, and gates are located in the
 * user's config.
 */
import { cpSync, existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { basename, dirname, join } from 'node:path';
import t from 'tap';
import { validateAgainst } from '../../src/config/schema/validate.js';
import { reviewRuns } from '../../src/judge/judging/review.js';
import { readSweepResults } from '../../src/sweep/results.js';
import { bestRow, sweepCautions } from '../../src/sweep/trials.js';
import { annotationsOf } from '../../src/view/github.js';
import { junitOf } from '../../src/view/junit.js';
import { reviewDocument } from '../../src/view/review-document.js';
import { buildSweepReport } from '../../src/view/sweep-report.js';
import { documentOf } from '../support/reviewed-runs.js';
import { longerConfig, randomDataset } from '../support/runs.js';
import { sweepInProcess } from '../support/sweeps.js';
import { work } from '../support/work.js';

const folder = work.folder();
writeFileSync(join(folder, 'data.npz'), randomDataset('sweeps', { train: 32, test: 16, seed: 1 }));
const GATES = [{ metric: 'test.loss', max: 1e9 }];
writeFileSync(
  join(folder, 'base.yaml'),
  JSON.stringify({ ...longerConfig('data.npz', 4), name: 'base', gates: GATES }, null, 2),
);
const sweepFile = join(folder, 'sw.yaml');
writeFileSync(
  sweepFile,
  JSON.stringify({
    version: 1,
    name: 'sw',
    base: 'base.yaml',
    method: 'grid',
    objective: { metric: 'test.loss', goal: 'minimize' },
    pruner: { kind: 'asha', min_epochs: 1, reduction_factor: 2 },
    parallel: 1,
    parameters: { 'optimizer.learning_rate': [0.01, 0.005, 1e-6, 1e-7] },
  }),
);
const sweep = await sweepInProcess(work, sweepFile, join(folder, 'experiments'));

const judge = (...paths: string[]) => reviewRuns(paths, { gates: ['test.loss <= 1e9'] }).review;

function copyOf(change: (directory: string) => void): string {
  const directory = join(work.folder(), basename(sweep));
  cpSync(sweep, directory, { recursive: true });
  change(directory);
  return directory;
}

t.test('trials that their sweep pruned are named and not judged', async t => {
  const review = judge(sweep);
  t.same(validateAgainst('review', JSON.parse(JSON.stringify(review))), []);
  const { trials } = JSON.parse(readFileSync(join(sweep, 'summary.json'), 'utf8'));
  t.equal(review.runs.length, trials);
  const pruned = review.runs.filter(({ not_judged }) => not_judged !== null);
  t.ok(pruned.length > 0 && pruned.length < review.runs.length);
  for (const { not_judged, epochs, state } of pruned) {
    t.equal(not_judged, `pruned by its sweep after ${epochs} of 4 epochs`);
    t.equal(state, 'interrupted');
  }
  t.equal(review.verdict, 'passed');
  t.equal(review.exit_code, 0);
  t.same(
    review.groups.flatMap(({ runs }) => runs),
    review.runs.filter(run => !pruned.includes(run)).map(({ run_id }) => run_id),
    'what is not judged is in no mean',
  );
  t.match(
    junitOf(documentOf(review)),
    /<skipped message="Not judged: pruned by its sweep after 1 of 4 epochs\."\/>/,
  );
  const alone = judge(pruned[0].directory);
  t.equal(alone.exit_code, 3, 'where nothing is judged nothing has passed');
  t.equal(alone.verdict, 'inconclusive');
});

t.test('of a whole sweep, the best trial is judged, and a warning is shown once', async t => {
  const file = join(folder, 'grid.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      name: 'grid',
      base: 'base.yaml',
      method: 'grid',
      objective: { metric: 'test.loss', goal: 'minimize' },
      pruner: 'none',
      parameters: { 'optimizer.learning_rate': [0.01, 0.005, 1e-6] },
    }),
  );
  const grid = await sweepInProcess(work, file, join(folder, 'experiments'));
  const { best } = JSON.parse(readFileSync(join(grid, 'summary.json'), 'utf8'));
  const { runs } = judge(grid);
  const [[chosen, ...more], others] = [true, false].map(is =>
    runs.filter(({ directory }) => best.runs.includes(directory) === is),
  );
  t.same([more.length, chosen.not_judged], [0, null]);
  for (const { directory, metrics, not_judged } of others) {
    const value = Number(metrics?.test.loss.toPrecision(6));
    t.equal(not_judged, `test.loss ${value}; its sweep chose trial ${best.trial}`);
    t.equal(judge(directory).runs[0].not_judged, null, 'named alone, it is judged');
  }
  const { stdout } = await work.cellrun('review', grid);
  t.equal(stdout.match(/test\.loss \S+, test\.accuracy /g)?.length, 1, 'the test split of the best alone');
  const log = join(others[0].directory, 'log.jsonl');
  const lines = readFileSync(log, 'utf8');
  writeFileSync(log, lines.replace('"loss"', '"lass"'));
  t.equal(judge(grid).exit_code, 5, 'others may be damaged');
  writeFileSync(log, lines);

  const { review, curves } = reviewRuns([grid], { gates: [] });
  const warnings = { count: 1, first: [{ code: 'data/few', message: 'few sequences', step: null }] };
  const warned = { ...review, runs: review.runs.map(run => ({ ...run, warnings })) };
  const blocks = reviewDocument({ review: warned, curves });
  const warning = { kind: 'warning', code: 'data/few', text: 'few sequences (3 runs)' };
  t.same(
    blocks.filter(({ kind }) => kind === 'warning'),
    [warning],
  );
  t.equal(annotationsOf(blocks, folder).match(/few sequences/g)?.length, 1);
});

t.test('every report warns of a best trial that was selected on the test split', async t => {
  const CAUTION = 'the best trial is selected on the test split: this value is optimistic';
  const summary = JSON.parse(readFileSync(join(sweep, 'summary.json'), 'utf8'));
  t.same(summary.selected_on_test, ['the best trial']);
  t.match(readFileSync(join(sweep, 'best.yaml'), 'utf8'), `# Caution: ${CAUTION}.`);
  const [status, closing] = [
    await work.cellrun('sweep', 'status', sweep),
    await work.cellrun('sweep', 'resume', sweep),
  ];
  for (const { stdout } of [status, closing]) t.match(stdout, `warning: ${CAUTION}\n`);
  t.same(buildSweepReport(sweep).cautions, [CAUTION]);
  const [winner] = summary.best.runs;
  const { runs } = judge(sweep);
  t.same(
    runs.filter(({ cautions }) => cautions.includes(CAUTION)).map(({ directory }) => directory),
    [winner],
    'of the winner alone',
  );
  t.ok(judge(winner).runs[0].cautions.includes(CAUTION));
  for (const format of ['text', 'json', 'markdown', 'junit', 'github'])
    t.match((await work.cellrun('review', sweep, '--format', format)).stdout, CAUTION, format);
  const { plan, records } = readSweepResults(sweep);
  const ofSplit = (split: string) => ({ objective: { ...plan.objective, metric: `${split}.loss` } });
  t.same(sweepCautions(ofSplit('validation'), records.rows), []);
  t.same(sweepCautions(ofSplit('test'), records.rows.slice(0, 1)), [], 'of one there is no choice');
});

t.test('every verb reports a trial whose run is missing', async t => {
  const { best } = JSON.parse(readFileSync(join(sweep, 'summary.json'), 'utf8'));
  const gone = basename(best.runs[0]);
  const directory = copyOf(copy => rmSync(join(copy, 'trials', gone), { recursive: true }));
  const [, trial] = /^t0*(\d+)-s0$/.exec(gone) ?? [];
  const sentence = `the run of trial ${trial}, seed 0 is missing, but the journal has its result`;
  const review = judge(directory);
  t.match(review, { exit_code: 5, verdict: 'inconclusive' });
  t.match(review.sweeps, [{ state: 'damaged', message: `${sentence}: ${join('trials', gone)}` }]);
  t.match((await work.cellrun('review', directory)).stdout, sentence);
  const [left] = review.runs;
  t.equal(judge(left.directory).sweeps[0].state, 'completed', 'alone another trial is judged as before');
  t.match(await work.cellrun('sweep', 'status', directory), {
    code: 0,
    stderr: `warning: ${join('trials', gone)}: ${sentence}`,
  });
  t.match(await work.cellrun('sweep', 'resume', directory), { code: 5, stderr: sentence });
});

t.test('a sweep reports the trivial baseline of its objective', async t => {
  const summaryIn = (folder: string) => JSON.parse(readFileSync(join(folder, 'summary.json'), 'utf8'));
  const { best, baseline } = summaryIn(sweep);
  const { majority } = summaryIn(best.runs[0]).baselines.test;
  t.same(baseline, { name: 'majority', value: majority.loss });
  const shown = Number(majority.loss.toPrecision(5));
  const line = new RegExp(
    `^metric +value +trivial baseline\ntest\\.loss +\\S+ +${shown} \\(majority\\)$`,
    'm',
  );
  for (const verb of ['status', 'resume']) t.match((await work.cellrun('sweep', verb, sweep)).stdout, line);
  t.match((await work.cellrun('compare', sweep)).stdout, line);
  t.notMatch((await work.cellrun('compare', sweep, '--format', 'csv')).stdout, /trivial/);
  t.notMatch((await work.cellrun('compare', sweep)).stdout, /^trivial/m, 'not twice');
  t.same(buildSweepReport(sweep).baseline, baseline);

  const WARNING = 'the best trial is no better than the trivial baseline';
  /** A copy of the sweep whose best trial has these baselines. */
  const withBaselines = (test: object | undefined) =>
    copyOf(directory => {
      const run = join(directory, 'trials', basename(best.runs[0]));
      const { baselines: _, ...summary } = summaryIn(run);
      writeFileSync(
        join(run, 'summary.json'),
        JSON.stringify({ ...summary, ...(test !== undefined && { baselines: { test } }) }),
      );
    });
  for (const [test, name, isBeaten] of [
    [{ majority: { loss: best.value + 1 }, previous: { loss: best.value + 2 } }, 'majority', true],
    [{ majority: { loss: best.value + 1 }, previous: { loss: best.value } }, 'previous', false],
    [{ majority: { loss: best.value - 0.1 }, previous: { accuracy: 1 } }, 'majority', false],
  ] as const) {
    const copy = withBaselines(test);
    const { stdout } = await work.cellrun('sweep', 'status', copy);
    t.match(stdout, new RegExp(`^test\\.loss +\\S+ +[\\d.]+ \\(${name}\\)$`, 'm'), 'the hardest to beat');
    t.equal(stdout.includes(`warning: ${WARNING}`), !isBeaten);
    const { failures, shortfalls } = buildSweepReport(copy);
    t.same(failures, isBeaten ? [] : [WARNING]);
    t.same(shortfalls, isBeaten ? [] : ['no better than trivial']);
  }
  t.notMatch((await work.cellrun('sweep', 'status', withBaselines(undefined))).stdout, /trivial/);
});

t.test('a sweep has tags and a note', async t => {
  const output = join(work.folder(), 'experiments');
  const refused = await work.cellrun('sweep', sweepFile, '--output', output, '--tag', 'a b');
  t.match(refused, { code: 2, stderr: /this is not a valid tag/ });
  t.notOk(existsSync(output), 'before anything is trained');
  const words = [join(folder, 'base.yaml'), 'optimizer.learning_rate=0.01', '--objective', 'test.loss:min'];
  const notes = ['--tag', 'x', '--note', 'for the paper'];
  const trained = await work.cellrun('sweep', ...words, ...notes, '--output', output, '--json');
  t.equal(trained.code, 0, trained.stderr);
  const tagged = JSON.parse(trained.stdout).directory;
  const written = () => JSON.parse(readFileSync(join(tagged, 'notes.json'), 'utf8'));
  t.same(written(), { version: 1, tags: ['x'], note: 'for the paper' });
  t.match((await work.cellrun('sweep', 'status', tagged)).stdout, 'tagged: x; "for the paper"\n');
  const run = join(tagged, 'trials', 't0000-s0');
  t.match(await work.cellrun('tag', tagged, run, '--add', 'y'), {
    code: 0,
    stdout: `${tagged}: x, y; "for the paper"\n${run}: y\n`,
  });
  t.same(written().tags, ['x', 'y']);
  t.same(validateAgainst('notes', written()), []);
  t.match(buildSweepReport(tagged), { tags: ['x', 'y'], note: 'for the paper' });
  const { stdout } = await work.cellrun('report', output, '--json');
  t.match(JSON.parse(stdout).sweeps, [{ tags: ['x', 'y'], note: 'for the paper' }]);
  t.match(await work.cellrun('sweep', 'replay', tagged), { code: 0 }, 'nothing that is decided reads them');
  writeFileSync(join(tagged, 'notes.json'), '{');
  t.match(await work.cellrun('tag', tagged), { code: 5, stderr: /notes\.json/ });
});

t.test('a sweep has the epochs of trials that early stopping ended', async t => {
  const base = longerConfig('data.npz', 6);
  const early_stopping = { metric: 'test.loss', patience: 1, min_delta: 1e6 };
  const training = { ...base.training, early_stopping };
  const text = { ...base, name: 'early', training, checkpoint: { final: 'last' } };
  writeFileSync(join(folder, 'early.yaml'), JSON.stringify(text));
  const file = join(folder, 'early-sweep.yaml');
  writeFileSync(
    file,
    JSON.stringify({
      version: 1,
      name: 'early',
      base: 'early.yaml',
      method: 'grid',
      seeds: [0, 1],
      objective: { metric: 'test.loss', goal: 'minimize' },
      pruner: 'none',
      parameters: { 'optimizer.learning_rate': [0.01, 0.005] },
    }),
  );
  const early = await sweepInProcess(work, file, join(folder, 'experiments'));
  const { runs, verdict } = judge(early);
  const epochs = runs.map(run => run.epochs);
  t.same(epochs, [2, 2, 2, 2]);
  t.equal(verdict, 'passed', 'no run is in doubt');
  const { best, epochs_trained } = JSON.parse(readFileSync(join(early, 'summary.json'), 'utf8'));
  t.same([best.epochs, epochs_trained], [2, 8]);
  const { code, stdout } = await work.cellrun('sweep', 'replay', early);
  t.equal(code, 0, stdout);
});

t.test('the files of a sweep match their schemas', async t => {
  const read = (name: string) => readFileSync(join(sweep, name), 'utf8');
  t.same(validateAgainst('sweep-summary', JSON.parse(read('summary.json'))), []);
  const records = read('journal.jsonl').match(/^\{.*$/gm) ?? [];
  t.ok(records.length > 2);
  for (const record of records) t.same(validateAgainst('journal', JSON.parse(record)), [], record);
});

t.test('other trials are judged, and an unfinished sweep is reported', async t => {
  const [best] = judge(sweep).runs.filter(({ not_judged }) => not_judged === null);
  const diverged = copyOf(directory => {
    const file = join(directory, 'trials', best.run_id, 'summary.json');
    const summary = JSON.parse(readFileSync(file, 'utf8'));
    writeFileSync(file, JSON.stringify({ ...summary, status: 'diverged', gates: [] }));
  });
  t.equal(judge(diverged).verdict, 'failed');
  const [pruned] = judge(sweep).runs.filter(({ not_judged }) => not_judged !== null);
  const lost = copyOf(directory => rmSync(join(directory, 'trials', pruned.run_id, 'summary.json')));
  t.equal(judge(lost).verdict, 'failed', 'a run without its end is no pruned one');
  const killed = copyOf(directory => {
    const file = join(directory, 'journal.jsonl');
    const lines = readFileSync(file, 'utf8').split('\n');
    writeFileSync(file, lines.filter(line => !line.includes('"sweep.end"')).join('\n'));
  });
  const review = judge(killed);
  t.match(review, {
    verdict: 'inconclusive',
    exit_code: 3,
    sweeps: [{ name: 'sw', state: 'killed', message: 'the sweep was killed before it ended' }],
  });
  t.equal(judge(join(killed, 'trials', best.run_id)).verdict, 'passed', 'the trial itself has ended');
  const { code, stdout } = await work.cellrun('review', killed, '--format', 'github');
  t.equal(code, 3);
  t.match(stdout, /^::warning title=sweep::sweep sw\/\S+: the sweep was killed before it ended$/m);
});

t.test('a trial that contradicts the records of its sweep is in doubt', async t => {
  const [best] = judge(sweep).runs.filter(({ not_judged }) => not_judged === null);
  const seed = readSweepResults(sweep)
    .records.rows.flatMap(row => row.seeds.map(one => ({ ...one, trial: row.trial })))
    .find(({ trial }) => best.run_id.startsWith(`t${String(trial).padStart(4, '0')}`));
  const other = copyOf(directory => {
    const file = join(directory, 'journal.jsonl');
    const text = readFileSync(file, 'utf8');
    const end = new RegExp(`("segment.end".*"trial":${seed?.trial},.*"to":${seed?.epochs},.*"value":)[^,]+`);
    t.match(text, end);
    writeFileSync(file, text.replace(end, '$10.99'));
  });
  const review = judge(other);
  t.equal(review.verdict, 'inconclusive');
  const doubted = review.runs.find(({ run_id }) => run_id === best.run_id);
  t.match(doubted?.completed.reason, /its sweep recorded test\.loss 0\.99, but the run has \d/);
  const run = join(
    copyOf(() => {}),
    'trials',
    best.run_id,
  );
  const flags = ['--set', `training.num_epochs=${(seed?.epochs ?? 0) + 1}`, '--quiet'];
  const { stderr } = await work.cellrun('resume', run, ...flags);
  t.match(stderr, /^warning: \S+ is a trial of a sweep, which will not see this change/);
  const [further] = judge(run).runs;
  t.match(further.completed.reason, /it continued to epoch \d, but its sweep recorded \d/);
});

t.test('a sweep is compared by its best trial', async t => {
  const { plan, records, directory } = readSweepResults(sweep);
  const winner = directory.runPath({ trial: bestRow(plan, records)?.trial ?? -1, seed: plan.seeds[0] });
  const { code, stdout } = await work.cellrun(
    'compare',
    sweep,
    copyOf(() => {}),
    '--json',
  );
  t.equal(code, 0);
  const { sides } = JSON.parse(stdout);
  t.match(sides, [{ runs: [{ directory: winner, left_out: null }] }, {}]);
  t.equal(sides.length, 2, 'one side for each sweep');
});

t.test("gates of trials are reported and annotated in the user's config", async t => {
  const base = join(folder, 'base.yaml');
  const line = readFileSync(base, 'utf8').split('\n').indexOf('    {') + 1;
  for (const { gates } of judge(sweep).runs) t.equal(gates[0].origin, `${base}:${line}:5`);
  const failing = copyOf(directory => {
    for (const { run_id } of judge(sweep).runs) {
      const file = join(directory, 'trials', run_id, 'summary.json');
      const summary = JSON.parse(readFileSync(file, 'utf8'));
      for (const gate of summary.gates) gate.verdict = 'inconclusive';
      writeFileSync(file, JSON.stringify(summary));
    }
  });
  t.match(
    annotationsOf(reviewDocument({ review: judge(failing), curves: [] }), folder),
    new RegExp(`^::error file=base\\.yaml,line=${line},col=5,title=gate test\\.loss::`, 'm'),
  );
  const older = copyOf(directory => {
    const file = join(directory, 'plan.json');
    const plan = JSON.parse(readFileSync(file, 'utf8'));
    plan.bases = [{ ...plan.bases[0], file: 'mine/base.yaml', gate_origins: undefined }];
    writeFileSync(file, JSON.stringify(plan));
  });
  for (const { gates } of judge(older).runs) t.equal(gates[0].origin, 'mine/base.yaml');
});

t.test('runs of a damaged sweep are judged', async t => {
  const damaged = copyOf(directory => writeFileSync(join(directory, 'plan.json'), '{'));
  const review = judge(damaged);
  t.same(validateAgainst('review', JSON.parse(JSON.stringify(review))), []);
  t.match(review, {
    exit_code: 5,
    verdict: 'failed',
    sweeps: [{ state: 'damaged', name: basename(dirname(damaged)) }],
  });
  t.ok(review.runs.every(({ not_judged }) => not_judged === null));
});
